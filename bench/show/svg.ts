/** Charts as files that stand alone. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { JSDOM } from 'jsdom';
import type { Results } from '../measure/results.js';
import { CHARTS, type Chart, plotFile } from './charts.js';
import { chartStyle, SCHEMES, type Scheme } from './colours.js';
import type { Point } from './series.js';

/** Every chart of which the results have the numbers, for light and for dark ground. Returns the files. */
export function drawPlots(results: Results, folder: string): string[] {
  mkdirSync(`${folder}/plots`, { recursive: true });
  return CHARTS.flatMap((chart) => {
    const points = chart.series(results);
    return points.length === 0 ? [] : SCHEMES.map((scheme) => drawPlot(chart, points, scheme, folder));
  });
}

function drawPlot(chart: Chart, points: readonly Point[], scheme: Scheme, folder: string): string {
  const file = `${folder}/${plotFile(chart.name, scheme)}`;
  writeFileSync(file, svgOf(chart, points, scheme));
  return file;
}

function svgOf(chart: Chart, points: readonly Point[], scheme: Scheme): string {
  const { document } = new JSDOM('').window;
  const svg = chart.draw(points, { document });
  svg.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', chart.title);
  const style = document.createElementNS('http://www.w3.org/2000/svg', 'style');
  style.textContent = chartStyle(scheme);
  svg.prepend(style);
  return `${svg.outerHTML}\n`;
}
