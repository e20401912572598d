/** The true class of each row, for `--truth`: from an array of integers, or from a column of the input itself. */
import type { Batch, Layout } from './batch.js';
import { readTruth } from './classes.js';
import { expected } from './failure.js';

/** The true class of a row: of the batch, and by its number in the input. */
export type TruthOf = (batch: Pick<Batch, 'columns'>, row: number, number: number) => number;

export interface Truth {
  readonly of: TruthOf;
  /** How many rows have one, where that is known. */
  readonly rows?: number | undefined;
}

export interface TruthSource {
  /** A path, or `column:NAME`. */
  readonly truth: string;
  readonly layout: Layout;
  readonly labels: readonly string[] | undefined;
  /** What messages call the input. */
  readonly input: string;
  /** A number that stands for no class. */
  readonly ignoreIndex?: number | undefined;
}

/** The column of `--truth column:NAME`. */
export function truthColumn(truth: string | undefined): string | undefined {
  return truth?.startsWith('column:') ? truth.slice('column:'.length) : undefined;
}

export async function openTruth({ truth, layout, labels, input, ignoreIndex }: TruthSource): Promise<Truth> {
  const most = layout.classes ?? Number.POSITIVE_INFINITY;
  const column = truthColumn(truth);
  if (column === undefined) {
    const classes = await readTruth(truth, layout.rows, most, ignoreIndex);
    return { of: (_, __, number) => classes[number], rows: classes.length };
  }
  const at = layout.fields.findIndex(({ name }) => name === column);
  if (at < 0) {
    throw expected(
      `a column ${column}`,
      '--truth',
      layout.fields.map(({ name }) => name).join(', ') || 'none',
    );
  }
  const classOf = newNaming(labels);
  return {
    of({ columns }, row, number) {
      const cell = columns[at].get(row);
      const value = classOf(cell);
      if ((Number.isInteger(value) && value >= 0 && value < most) || value === ignoreIndex) return value;
      throw expected('class numbers', `column ${column} of ${input}`, `${cell ?? 'none'} at row ${number}`);
    },
  };
}

/** Throws where there are fewer or more true classes than rows. */
export function refuseOtherRows({ rows }: Truth, path: string | undefined, end: number): void {
  if (rows !== undefined && rows !== end) throw wrongTruth(path, end, rows);
}

export function wrongTruth(path: string | undefined, rows: number, received: number) {
  return expected(`${rows} class numbers, one per row,`, path ?? '', received);
}

/** From a cell to its class: a text is the name of a class before it is a number. NaN where it is neither. */
export function newNaming(labels: readonly string[] | undefined): (cell: unknown) => number {
  const named = new Map(labels?.map((label, i) => [label, i] as const).reverse());
  return (cell) => {
    if (typeof cell !== 'string') return cell === null || cell === undefined ? Number.NaN : Number(cell);
    // Columns of JSON come as JSON text.
    const text = /^".*"$/s.test(cell) && !named.has(cell) ? textIn(cell) : cell;
    return named.get(text) ?? (text.trim() === '' ? Number.NaN : Number(text));
  };
}

function textIn(json: string): string {
  try {
    return String(JSON.parse(json));
  } catch {
    return json;
  }
}
