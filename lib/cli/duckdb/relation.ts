/** An input as SQL sees it: what to select from, which of it are logits, and which columns travel. */
import { expected } from '../failure.js';
import { aloneIfShort, type Engine } from './engine.js';

/** A column beside the logits. */
export interface Kept {
  readonly name: string;
  /** Its expression. */
  readonly sql: string;
  /** Its type in SQL: VARCHAR for what a CSV holds, JSON for what an NDJSON holds. */
  readonly type: string;
}

export interface Relation {
  /** What follows FROM. A row that cannot be read is an error. */
  readonly from: string;
  /** The list of logits of a row. */
  readonly logits: string;
  /** The same, where a row that cannot be read has NULL among its logits, or as its logits. */
  readonly tolerant: { readonly from: string; readonly logits: string };
  readonly type: 'float32' | 'float64';
  /** What the logits are called; undefined where each class has a column, or rows have no names. */
  readonly column: string | undefined;
  /** The names of the classes, where the input has them. */
  readonly names: readonly string[] | undefined;
  /** How long every row is; undefined where the format leaves that open. */
  readonly classes: number | undefined;
  readonly kept: readonly Kept[];
  /** What was chosen, for the user to see; undefined where there was no choice. */
  readonly chosen: string | undefined;
  readonly rows: number | undefined;
  /** Which columns beside the logits have a type that the engine does not have, and what it makes of it. */
  readonly changes?: readonly string[];
  /** What the file says of itself, as Parquet has it. */
  readonly metadata?: ReadonlyMap<string, string>;
  /** Whether a row of its own text can stand for a row: NDJSON whose lines are arrays. */
  readonly bare: boolean;
  /** Whether the columns beside the logits are JSON as it stood, and are to be written so. */
  readonly raw?: boolean;
  /** Refuses what would be lost where rows that cannot be read are passed over. */
  readonly refuseUnclosed?: (signal?: AbortSignal) => Promise<void>;
  /** The same of what follows in a pipe. */
  readonly next?: (place: Place) => Promise<Relation>;
  /** Why a row cannot be read: what was wanted of it, and for each column the text that is not that, or NULL. */
  readonly reasons: {
    readonly wanted: string;
    readonly from: string;
    readonly columns: readonly { readonly name: string; readonly sql: string }[];
    /** What a row is called that has nothing there. */
    readonly none?: string;
    /** What is added where text stands in such a column. */
    readonly hint?: (column: string) => string;
  };
}

/** Which columns are what, as the user said. */
export interface Choice {
  readonly column: string | undefined;
  readonly keep: readonly string[] | undefined;
  readonly header: boolean | undefined;
  readonly delimiter: string | undefined;
  /** A column with the true class, which is no class. */
  readonly truth: string | undefined;
}

/** A file, or the files of a folder. */
export interface Place {
  /** What messages call it. */
  readonly name: string;
  readonly path: string;
  /** A folder whose folders are called `column=value`. */
  readonly hive?: boolean;
}

/** @throws Failure where other rows were read than the file says that it has: it is damaged. */
export function refuseOtherCount({ rows }: Relation, read: number, name: string): void {
  if (rows !== undefined && read !== rows) {
    throw expected(`${rows} rows, of which its metadata tells,`, name, read);
  }
}

/** The names that an option lists, with commas between: one that has a comma stands alone. */
export function namesIn(text: string, known: readonly string[]): string[] {
  return known.includes(text) ? [text] : text.split(',');
}

/** How many logits the first row has. */
export async function firstLength(engine: Engine, relation: Relation, signal?: AbortSignal): Promise<number> {
  if (relation.classes !== undefined) return relation.classes;
  const { from, logits } = relation.tolerant;
  const sql = `SELECT len(l)::VARCHAR FROM (SELECT ${logits} AS l FROM ${from}) WHERE l IS NOT NULL LIMIT 1`;
  const [row] = await aloneIfShort(engine, signal, () => engine.texts(sql, signal));
  return Number(row?.[0] ?? 0);
}
