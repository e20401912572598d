import { styleText } from 'node:util';
import { printable } from './failure.js';
import type { Look } from './streams.js';

export interface RankedClass {
  readonly class: number;
  readonly label?: string | undefined;
  /** A probability or its logarithm, as the operation gives it. */
  readonly score: number;
}

export interface RankedRow {
  readonly row: number;
  readonly truth?: { readonly class: number; readonly label?: string | undefined } | undefined;
  readonly best: readonly RankedClass[];
}

export interface TableOptions extends Look {
  /** What the bar of a score shows: a probability. */
  readonly probability: (score: number) => number;
}

const MAX_LABEL = 32;
const MAX_BAR = 40;
const MIN_BAR = 8;

/** One line per class, the row's number on its first; the bar last, so that the other columns stay easy to cut. */
export async function rankedTable(rows: readonly RankedRow[], options: TableOptions): Promise<string> {
  // Its regular expressions take 20 ms to compile, and most commands print no table.
  const { default: widthIn } = await import('string-width');
  const padEnd = (text: string, width: number) => text + ' '.repeat(Math.max(0, width - widthIn(text)));
  const style = styler(options.colour);
  const nameOf = (of: { class: number; label?: string | undefined }) =>
    shorten(printable(of.label ?? String(of.class)), widthIn);
  const withTruth = rows.some(({ truth }) => truth);

  const lines = rows.flatMap(({ row, truth, best }) =>
    (best.length > 0 ? best : [undefined]).map((ranked, rank) => ({
      first: rank === 0,
      right: truth !== undefined && truth.class === best[0]?.class,
      row: rank === 0 ? String(row) : '',
      truth: rank === 0 && truth ? nameOf(truth) : '',
      name: ranked ? nameOf(ranked) : '',
      score: ranked ? formatScore(ranked.score) : '',
      probability: ranked ? options.probability(ranked.score) : 0,
    })),
  );
  const widthOf = (title: string, cells: readonly string[]) =>
    cells.reduce((width, cell) => Math.max(width, widthIn(cell)), title.length);
  const rowWidth = widthOf(
    'row',
    lines.map(({ row }) => row),
  );
  const truthWidth =
    widthOf(
      'truth',
      lines.map(({ truth }) => truth),
    ) + 2;
  const nameWidth = widthOf(
    'class',
    lines.map(({ name }) => name),
  );
  const scoreWidth = widthOf(
    'score',
    lines.map(({ score }) => score),
  );
  const used = rowWidth + 2 + (withTruth ? truthWidth + 2 : 0) + nameWidth + 2 + scoreWidth + 2;
  const barWidth = Math.min(MAX_BAR, Math.max(MIN_BAR, options.width - used - 1));

  const header = [
    'row'.padStart(rowWidth),
    ...(withTruth ? [padEnd('truth', truthWidth)] : []),
    padEnd('class', nameWidth),
    'score'.padStart(scoreWidth),
  ].join('  ');
  const body = lines.map((line) => {
    const mark = line.truth === '' ? '' : `${line.right ? '✓' : '✗'} ${line.truth}`;
    const cells = [
      line.row.padStart(rowWidth),
      ...(withTruth ? [style(line.right ? 'green' : 'red', padEnd(mark, truthWidth))] : []),
      style(line.first ? 'bold' : 'dim', padEnd(line.name, nameWidth)),
      style(line.first ? 'bold' : 'dim', line.score.padStart(scoreWidth)),
      style(line.first ? 'cyan' : 'dim', bar(line.probability, barWidth)),
    ];
    return cells.join('  ').trimEnd();
  });
  return `${[style('dim', header), ...body].join('\n')}\n`;
}

/** For an operation that leaves one value per row. */
export function valueTable(rows: readonly { row: number; value: number }[], look: Look): string {
  const style = styler(look.colour);
  const cells = rows.map(({ row, value }) => [String(row), formatScore(value)]);
  const rowWidth = cells.reduce((width, [row]) => Math.max(width, row.length), 'row'.length);
  const valueWidth = cells.reduce((width, [, value]) => Math.max(width, value.length), 'value'.length);
  const lines = cells.map(([row, value]) => `${row.padStart(rowWidth)}  ${value.padStart(valueWidth)}`);
  return `${[style('dim', `${'row'.padStart(rowWidth)}  ${'value'.padStart(valueWidth)}`), ...lines].join('\n')}\n`;
}

export function styler(colour: boolean) {
  return (format: Parameters<typeof styleText>[0], text: string) =>
    colour && text.trim() !== '' ? styleText(format, text, { validateStream: false }) : text;
}

/** Four decimals where they say something, an exponent where they do not. */
export function formatScore(score: number): string {
  if (!Number.isFinite(score) || Number.isInteger(score)) return String(score);
  const size = Math.abs(score);
  return size < 1e-3 || size >= 1e9 ? score.toExponential(2) : score.toFixed(4);
}

const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/** `fraction` of `width` columns, to an eighth of one; NaN is no bar. */
export function bar(fraction: number, width: number): string {
  const eighths = Math.round(Math.min(1, Math.max(0, fraction || 0)) * width * 8);
  return '█'.repeat(eighths >> 3) + EIGHTHS[eighths & 7];
}

function shorten(name: string, widthIn: (text: string) => number): string {
  if (widthIn(name) <= MAX_LABEL) return name;
  let short = '';
  for (const { segment } of new Intl.Segmenter().segment(name)) {
    if (widthIn(short + segment) >= MAX_LABEL) break;
    short += segment;
  }
  return `${short}…`;
}
