/** A chart as a file that stands alone. */
import { JSDOM } from 'jsdom';
import type { Chart } from './charts.js';
import { chartStyle } from './colours.js';
import type { Point } from './series.js';

export function svgOf(chart: Chart, points: readonly Point[]): string {
  const { document } = new JSDOM('').window;
  const svg = chart.draw(points, { document });
  svg.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', chart.title);
  const style = document.createElementNS('http://www.w3.org/2000/svg', 'style');
  style.textContent = chartStyle();
  svg.prepend(style);
  return `${svg.outerHTML}\n`;
}
