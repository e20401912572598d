/** The reliability diagram and the histogram of confidence, as inline SVG: every bar has a title that is read aloud. */
import type { ReliabilityBin } from '../../index.js';
import { count } from '../report.js';
import { html, type Markup } from './markup.js';
import { percent, rangeOf } from './words.js';

type Bins = readonly ReliabilityBin[];

/** In units of the drawing; the page shows it as wide as there is room. */
const WIDTH = 360;
const LEFT = 54;
const RIGHT = 8;
const TOP = 12;
/** The same where rows are counted above the bars. */
const TOP_NUMBERED = 46;
const BOTTOM = 40;
const INNER = WIDTH - LEFT - RIGHT;
/** With more bins there is no room for a number at each. */
const MOST_NUMBERED = 20;

const round = (x: number) => Number(x.toFixed(2));
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 3 });

export function reliabilityFigure(bins: Bins, id: string, heading: string): Markup {
  const height = INNER;
  const top = bins.length <= MOST_NUMBERED ? TOP_NUMBERED : TOP;
  const x = (share: number) => round(LEFT + share * INNER);
  const y = (share: number) => round(top + (1 - share) * height);
  const worst = bins.reduce((most, { count, confidence, accuracy }) => {
    return count > 0 && Math.abs(accuracy - confidence) > Math.abs(most) ? accuracy - confidence : most;
  }, 0);
  const verdict =
    worst === 0
      ? 'Every bin is on the diagonal.'
      : `The largest gap is ${percent(Math.abs(worst))}, where it is ${worst < 0 ? 'surer than right' : 'righter than sure'}.`;
  const bars = bins.map((bin) => {
    if (bin.count === 0) return undefined;
    const { lower, upper, confidence, accuracy } = bin;
    const [left, width] = [x(lower) + 0.75, round((upper - lower) * INNER - 1.5)];
    const [high, low] = [Math.max(accuracy, confidence), Math.min(accuracy, confidence)];
    const kind = accuracy < confidence ? 'over' : 'under';
    return html`<g><title>${titleOf(bin, bins.length)}</title>
<rect class="bar" x="${left}" y="${y(accuracy)}" width="${width}" height="${round(accuracy * height)}"/>
<rect class="gap ${kind}" x="${left}" y="${y(high)}" width="${width}" height="${round((high - low) * height)}"/>
<line class="sure" x1="${left}" x2="${round(left + width)}" y1="${y(confidence)}" y2="${y(confidence)}"/></g>`;
  });
  return html`<figure>
<figcaption>${heading}</figcaption>
<svg viewBox="0 0 ${WIDTH} ${height + top + BOTTOM}" role="img" aria-labelledby="${id}-title ${id}-text">
<title id="${id}-title">${heading}</title>
<desc id="${id}-text">How often the model is right, by how sure it is. ${verdict}</desc>
${grid(x, y)}
${bars}
<line class="diagonal" x1="${x(0)}" y1="${y(0)}" x2="${x(1)}" y2="${y(1)}"/>
${bins.length <= MOST_NUMBERED ? numbersOf(bins, x, y(1)) : undefined}
${axes(x, top + height, 'how sure')}
${upright('how often right', top + height / 2)}
</svg>
</figure>`;
}

/** The rows of each bin, upright above it. */
function numbersOf(bins: Bins, x: (share: number) => number, top: number): Markup {
  const numbers = bins.map(({ lower, upper, count }) => {
    const [cx, cy] = [round(x((lower + upper) / 2) + 3.5), top - 6];
    return html`<text class="${count === 0 ? 'none' : 'count'}" transform="rotate(-90 ${cx} ${cy})" x="${cx}" y="${cy}">${compact.format(count)}</text>`;
  });
  return html`<g aria-hidden="true">${numbers}<text class="tick" x="${LEFT - 6}" y="${top - 6}" text-anchor="end">rows</text></g>`;
}

export function histogramFigure(bins: Bins, id: string, heading: string): Markup {
  const height = 130;
  const all = bins.reduce((sum, { count }) => sum + count, 0);
  const most = Math.max(1, ...bins.map(({ count }) => count)) / Math.max(1, all);
  const x = (share: number) => round(LEFT + share * INNER);
  const y = (share: number) => round(TOP + (1 - share / most) * height);
  const bars = bins.map((bin) => {
    const { lower, upper, count } = bin;
    const share = count / Math.max(1, all);
    if (count === 0) return undefined;
    return html`<g><title>${titleOf(bin, bins.length)}</title>
<rect class="bar" x="${x(lower) + 0.75}" y="${y(share)}" width="${round((upper - lower) * INNER - 1.5)}" height="${round(Math.max(0.75, (share / most) * height))}"/></g>`;
  });
  const lines = [0, 0.5, 1].map((part) => {
    const at = y(part * most);
    return html`<line class="grid" x1="${x(0)}" x2="${x(1)}" y1="${at}" y2="${at}"/>
<text class="tick" x="${LEFT - 6}" y="${round(at + 4)}" text-anchor="end">${shareOf(part * most)}</text>`;
  });
  const surest = bins.reduce((best, bin) => (bin.count > best.count ? bin : best), bins[0]);
  return html`<figure>
<figcaption>${heading}</figcaption>
<svg viewBox="0 0 ${WIDTH} ${height + TOP + BOTTOM}" role="img" aria-labelledby="${id}-title ${id}-text">
<title id="${id}-title">${heading}</title>
<desc id="${id}-text">The share of rows by how sure the model is. Most of them, ${surest.count}, lie in ${rangeOf(surest, bins.length)}.</desc>
${lines}
${bars}
${axes(x, TOP + height, 'how sure')}
${upright('share of rows', TOP + height / 2)}
</svg>
</figure>`;
}

function titleOf(bin: ReliabilityBin, bins: number): string {
  const { count: rows, accuracy, confidence } = bin;
  return `${rangeOf(bin, bins)}: ${count(rows, 'row')}, right ${percent(accuracy)}, sure ${percent(confidence)}`;
}

function shareOf(share: number): string {
  const size = 100 * share;
  return `${size >= 10 || size === 0 ? size.toFixed(0) : size.toPrecision(2)} %`;
}

const FIFTHS = [0, 0.2, 0.4, 0.6, 0.8, 1];

function grid(x: (share: number) => number, y: (share: number) => number): Markup[] {
  return FIFTHS.map(
    (share) => html`<line class="grid" x1="${x(0)}" x2="${x(1)}" y1="${y(share)}" y2="${y(share)}"/>
<line class="grid" x1="${x(share)}" x2="${x(share)}" y1="${y(1)}" y2="${y(0)}"/>
<text class="tick" x="${LEFT - 6}" y="${round(y(share) + 4)}" text-anchor="end">${Math.round(100 * share)} %</text>`,
  );
}

function axes(x: (share: number) => number, bottom: number, name: string): Markup {
  const ticks = FIFTHS.map((share) => {
    const anchor = share === 1 ? 'end' : 'middle';
    return html`<text class="tick" x="${x(share)}" y="${bottom + 15}" text-anchor="${anchor}">${Math.round(100 * share)} %</text>`;
  });
  return html`<line class="axis" x1="${x(0)}" x2="${x(1)}" y1="${bottom}" y2="${bottom}"/>
${ticks}
<text class="name" x="${x(0.5)}" y="${bottom + 33}" text-anchor="middle">${name}</text>`;
}

function upright(name: string, middle: number): Markup {
  return html`<text class="name" transform="rotate(-90 12 ${middle})" x="12" y="${middle}" text-anchor="middle">${name}</text>`;
}
