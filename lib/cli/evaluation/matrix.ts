/** The confusion matrix as a drawing: a row per true class, and in it the share that each class is taken for. */
import { count, number } from '../report.js';
import { html, type Markup } from './markup.js';
import { nameOf } from './words.js';

/** More classes are not drawn. */
export const MOST_DRAWN = 50;
/** With more, no number fits into a cell. */
export const MOST_NUMBERED = 16;
const MOST_NAME = 14;
/** So wide is a letter, or so. */
const LETTER = 6.2;

export function matrixFigure(confusion: Uint32Array, labels: readonly string[] | undefined): Markup {
  const classes = Math.sqrt(confusion.length);
  const names = Array.from({ length: classes }, (_, i) => nameOf(i, labels));
  const short = names.map(shorten);
  const margin = 24 + Math.ceil(Math.max(...short.map((name) => [...name].length)) * LETTER);
  const cell = classes <= MOST_NUMBERED ? Math.max(20, Math.min(48, 300 / classes)) : 16;
  const side = margin + classes * cell + 4;
  const at = (i: number) => Math.round(100 * (margin + i * cell)) / 100;
  const size = Math.round(100 * (cell - 1)) / 100;

  const cells: Markup[] = [];
  names.forEach((truth, row) => {
    const line = confusion.subarray(row * classes, (row + 1) * classes);
    const all = line.reduce((sum, rows) => sum + rows, 0);
    line.forEach((rows, column) => {
      if (rows === 0) return;
      const share = rows / all;
      const kind = row === column ? 'right' : 'wrong';
      const title = `${truth} taken for ${names[column]}: ${count(rows, 'row')} of ${number.format(all)}`;
      // A single row among many is still to be seen.
      const opacity = 0.1 + 0.9 * (kind === 'right' ? share : Math.sqrt(share));
      const text =
        classes <= MOST_NUMBERED
          ? html`<text class="${numberOn(opacity)}" x="${at(column) + size / 2}" y="${at(row) + size / 2 + 3.5}" text-anchor="middle" aria-hidden="true">${compact(rows)}</text>`
          : undefined;
      cells.push(
        html`<g><title>${title}</title><rect class="${kind}" x="${at(column)}" y="${at(row)}" width="${size}" height="${size}" fill-opacity="${opacity.toFixed(3)}"/>${text}</g>`,
      );
    });
  });
  const headings = short.map((name, i) => {
    const middle = at(i) + size / 2;
    return html`<text class="tick" x="${margin - 6}" y="${middle + 4}" text-anchor="end">${name}</text>
<text class="tick" transform="rotate(-90 ${middle + 4} ${margin - 6})" x="${middle + 4}" y="${margin - 6}">${name}</text>`;
  });
  const right = confusion.reduce((sum, rows, i) => (i % (classes + 1) === 0 ? sum + rows : sum), 0);
  const all = confusion.reduce((sum, rows) => sum + rows, 0);
  const middle = margin + (classes * cell) / 2;
  return html`<div class="drawing" role="region" aria-label="Confusion matrix" tabindex="0">
<svg class="matrix" viewBox="0 0 ${side} ${side}" style="min-width:${classes > MOST_NUMBERED ? side : 0}px;max-width:${Math.max(side * 1.4, 420)}px" role="img" aria-labelledby="matrix-title matrix-text">
<title id="matrix-title">Confusion matrix</title>
<desc id="matrix-text">A row per true class, a column per class that was said. ${number.format(right)} of ${count(all, 'row')} lie on the diagonal.</desc>
<rect class="ground" x="${margin}" y="${margin}" width="${classes * cell}" height="${classes * cell}"/>
${cells}
${headings}
<text class="name" x="${middle}" y="11" text-anchor="middle">said</text>
<text class="name" transform="rotate(-90 11 ${middle})" x="11" y="${middle}" text-anchor="middle">true</text>
</svg>
</div>`;
}

/** The colour of a number on a cell of that opacity: `mid` is that of `off` in the light scheme, of `on` in the dark one. */
function numberOn(opacity: number): 'off' | 'mid' | 'on' {
  if (opacity < 0.66) return 'off';
  return opacity < 0.88 ? 'mid' : 'on';
}

const compactly = new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 3 });

function compact(rows: number): string {
  return rows < 1000 ? String(rows) : compactly.format(rows);
}

function shorten(name: string): string {
  const letters = [...name];
  return letters.length <= MOST_NAME ? name : `${letters.slice(0, MOST_NAME - 1).join('')}…`;
}
