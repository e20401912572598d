/** An evaluation for the terminal: a short table, a reliability diagram, and what is most often confused. */
import type { EvaluationResult, ReliabilityBin } from '../../index.js';
import { printable } from '../failure.js';
import { compact, count, duration, number, positions } from '../report.js';
import type { Look } from '../streams.js';
import { bar, styler } from '../table.js';
import type { Evaluated } from './evaluate-file.js';
import { metricsOf, nameOf, rangeOf } from './words.js';

/** Pairs of classes that are named. */
const MOST_NAMED = 3;
const MOST_BAR = 50;
const LEAST_BAR = 10;
/** Where there are more bins, those without rows are left out. */
const MOST_LINES = 20;

export function evaluationText(evaluated: Evaluated, report: string | undefined, look: Look): string {
  const { result, fit, pairs, labels, temperature } = evaluated;
  const style = styler(look.colour);
  let text = metricTable(evaluated, look);
  if (result.rows > 0) {
    const at = temperature === 1 ? '' : ` at temperature ${temperature}`;
    text += `\n${reliability(result.bins, `reliability${fit ? ` before${at}` : at}`, look)}`;
    if (fit) {
      const title = `reliability after, at temperature ${fit.temperature.toPrecision(6)}`;
      text += `\n${reliability(fit.after.bins, title, look)}`;
    }
  }
  if (pairs.length > 0) {
    const named = pairs.slice(0, MOST_NAMED).map(({ truth, taken, rows }) => {
      const [from, to] = [truth, taken].map((one) => printable(nameOf(one, labels)));
      return `  ${from} taken for ${to}: ${count(rows, 'row')}\n`;
    });
    text += `\nmost often\n${named.join('')}`;
  }
  if (fit) {
    text += `\nbest with ${style('bold', `--temperature ${fit.temperature.toPrecision(6)}`)}\n`;
    if (!fit.converged) {
      const why =
        fit.temperature < 1
          ? 'every row is right with room to spare'
          : 'the logits say nothing of the classes';
      text += `no temperature from 0.01 to 100 is best: ${why}\n`;
    }
  }
  text += `\n${summary(evaluated, look)}`;
  if (evaluated.bad.count > 0) text += `${positions(evaluated.bad)} could not be scored\n`;
  if (report !== undefined) text += `written to ${printable(report)}\n`;
  return text;
}

function metricTable({ result, fit, k, classes }: Evaluated, { colour }: Look): string {
  const style = styler(colour);
  const ignored = result.ignored > 0 ? `, ${number.format(result.ignored)} ignored` : '';
  const before = metricsOf(result, k, classes);
  const after = fit && metricsOf(fit.after, k, classes);
  const names = Math.max(...before.map(({ name }) => name.length));
  const widthOf = (metrics: typeof before) => Math.max(6, ...metrics.map(({ value }) => value.length));
  const [width, widthAfter] = [widthOf(before), after ? widthOf(after) : 0];
  const lines = [`${'rows'.padEnd(names)}  ${number.format(result.rows).padStart(width)}${ignored}`];
  if (after) {
    lines.push(
      style('dim', `${' '.repeat(names)}  ${'before'.padStart(width)}  ${'after'.padStart(widthAfter)}`),
    );
  }
  before.forEach(({ name, value }, i) => {
    const second = after ? `  ${style('bold', after[i].value.padStart(widthAfter))}` : '';
    lines.push(`${name.padEnd(names)}  ${style(after ? 'dim' : 'bold', value.padStart(width))}${second}`);
  });
  return `${lines.join('\n')}\n`;
}

/** A line per bin: a bar as long as its accuracy, and a mark at its confidence. Of a calibrated model the two meet. */
function reliability(bins: EvaluationResult['bins'], title: string, { width, colour }: Look): string {
  const style = styler(colour);
  const shown = bins.length <= MOST_LINES ? bins : bins.filter(({ count }) => count > 0);
  const ranges = shown.map((bin) => rangeOf(bin, bins.length));
  const counts = shown.map(({ count }) => number.format(count));
  const rangeWidth = Math.max('confidence'.length, ...ranges.map(({ length }) => length));
  const countWidth = Math.max('rows'.length, ...counts.map(({ length }) => length));
  const barWidth = Math.max(LEAST_BAR, Math.min(MOST_BAR, width - rangeWidth - countWidth - 24));
  const legend = `${title}: ${style('cyan', '█')} how often right, │ how sure`;
  const header = [
    'confidence'.padEnd(rangeWidth),
    `0 %${'100 %'.padStart(barWidth - 3)}`,
    'right'.padStart(7),
    'sure'.padStart(7),
    'rows'.padStart(countWidth),
  ].join('  ');
  const lines = shown.map((bin, i) => {
    const cells = [ranges[i].padEnd(rangeWidth), drawn(bin, barWidth, style)];
    if (bin.count > 0) cells.push(percent(bin.accuracy), percent(bin.confidence));
    else cells.push(' '.repeat(7), ' '.repeat(7));
    return [...cells, style(bin.count > 0 ? 'reset' : 'dim', counts[i].padStart(countWidth))].join('  ');
  });
  return `${legend}\n${style('dim', header)}\n${lines.join('\n')}\n`;
}

function drawn(
  { count, accuracy, confidence }: ReliabilityBin,
  width: number,
  style: ReturnType<typeof styler>,
): string {
  if (count === 0) return ' '.repeat(width);
  const filled = bar(accuracy, width).padEnd(width);
  const mark = Math.min(width - 1, Math.floor(confidence * width));
  const end = filled.trimEnd().length;
  const [before, after] = [filled.slice(0, mark), filled.slice(mark + 1)];
  // Dots fill what is missing to the confidence.
  const gap = end < mark ? '·'.repeat(mark - end) : '';
  return `${style('cyan', before.slice(0, Math.min(end, mark)))}${style('red', gap)}${style('bold', '│')}${style('cyan', after)}`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`.padStart(7);
}

function summary(
  { classes, rows, elapsed, bytes, passes, temperature, backend }: Evaluated,
  look: Look,
): string {
  const style = styler(look.colour);
  const of = classes === undefined ? 'unequal lengths' : count(classes, 'class', 'classes');
  const at = temperature === 1 ? '' : ` at temperature ${temperature}`;
  const times = passes > 1 ? ` in ${passes} passes` : '';
  const rate = elapsed > 0 ? `: ${style('bold', `${compact((rows * passes) / elapsed)} rows/s`)}` : '';
  const megabytes =
    bytes && elapsed >= 0.5 ? `, ${((bytes * passes) / elapsed / 1e6).toPrecision(3)} MB/s` : '';
  const where = backend.kind === 'js' ? 'js' : `${backend.kind} ${backend.isa}`;
  return (
    `${count(rows, 'row')} of ${of}${at}${times} in ${duration(elapsed)}${rate}${megabytes}` +
    `${style('dim', ` (${where}, ${count(backend.threads, 'thread')})`)}\n`
  );
}
