/** The charts: the same for the SVG files and for the page, which adds the numbers on hover. */
import * as Plot from '@observablehq/plot';
import type { Results } from '../measure/results.js';
import { REFERENCE } from '../measure/results.js';
import { FONT, lookOf, type Scheme } from './colours.js';
import { type EndLabel, endLabels } from './labels.js';
import { digits, spreadText, ulpText } from './numbers.js';
import {
  callsSeries,
  classesSeries,
  contendersOf,
  lastPoints,
  type Point,
  rangesSeries,
  threadsSeries,
} from './series.js';

export interface ChartOptions {
  /** Where there is no global one. */
  readonly document?: Document;
  readonly isInteractive?: boolean;
  readonly hidden?: ReadonlySet<string>;
}

export interface Chart {
  readonly name: string;
  readonly title: string;
  series(results: Results): Point[];
  draw(points: readonly Point[], options: ChartOptions): Element;
}

/** Where the picture of a chart lies, seen from the benchmark's folder. */
export function plotFile(name: string, scheme: Scheme): string {
  return `plots/${name}-${scheme}.svg`;
}

const WIDTH = 860;
const HEIGHT = 500;
const MARGIN = { top: 78, right: 166, bottom: 46, left: 56 };

interface Axes {
  readonly title: string;
  readonly about: string;
  readonly x: string;
  readonly y: string;
  readonly unit: string;
  readonly xTicks: readonly number[];
  readonly xText: (x: number) => string;
  readonly least?: number;
  readonly marks?: readonly Plot.Markish[];
}

/** A line per contender on two logarithmic scales, named at its right end. */
function logLog(axes: Axes): Chart['draw'] {
  return (points, options) => {
    const visible = points.filter(({ contender }) => !options.hidden?.has(contender));
    const domain = paddedDomain(points, axes.least);
    const frame = { top: MARGIN.top, bottom: HEIGHT - MARGIN.bottom, domain, scale: 'log' as const };
    const named = endLabels(lastPoints(visible), frame);
    return render({
      ...size(options),
      x: { type: 'log', label: null },
      y: { type: 'log', domain, label: null },
      marks: [
        grid(domain),
        Plot.axisX([...axes.xTicks], { tickFormat: axes.xText, tickSize: 4, label: axes.x, ...CAPTION }),
        Plot.axisY(powersOfTen(domain), {
          tickFormat: tickText,
          tickSize: 0,
          label: null,
        }),
        ...heading(axes.title, axes.about, axes.y),
        ...(axes.marks ?? []),
        ...lines(visible),
        ...names(named),
        ...(options.isInteractive ? [tips(visible, axes.xText, axes.unit)] : []),
      ],
    });
  };
}

/** As few marks as lines: each contender has a look of its own. */
function lines(points: readonly Point[]): Plot.Markish[] {
  const inFront = (contender: string) => (contender === REFERENCE ? 1 : 0);
  return contendersOf(points)
    .sort((a, b) => inFront(a) - inFront(b))
    .map((contender) => {
      const { light, width, dash } = lookOf(contender);
      return Plot.line(
        points.filter((point) => point.contender === contender),
        {
          x: 'x',
          y: 'y',
          stroke: light,
          strokeWidth: width,
          ...(dash && { strokeDasharray: dash }),
          strokeLinejoin: 'round',
        },
      );
    });
}

function names(labels: readonly EndLabel[], facets: { fx?: string } = {}): Plot.Markish[] {
  const common = {
    ...facets,
    x: 'x',
    y: 'at',
    text: 'contender',
    dx: 8,
    textAnchor: 'start',
    fontSize: 12,
  } as const;
  return labels.map((label) =>
    Plot.text([label], {
      ...common,
      fill: lookOf(label.contender).light,
      ...(label.contender === REFERENCE && { fontWeight: 700 }),
    }),
  );
}

function tips(
  points: readonly Point[],
  xText: (x: number) => string,
  unit: string,
  facets: { fx?: string } = {},
): Plot.Markish {
  return Plot.tip(
    points,
    Plot.pointer({
      ...facets,
      x: 'x',
      y: 'y',
      fontSize: 12,
      title: ({ contender, x, y, measured: { time, accuracy } }: Point) =>
        [
          contender,
          `${xText(x)}: ${digits(y)} ${unit}${time && unit !== 'ULP' ? ` ${spreadText(time)}` : ''}`,
          accuracy.maxUlp === null
            ? ''
            : `error ${ulpText(accuracy.maxUlp)} ULP, mean ${ulpText(accuracy.meanUlp)}`,
        ]
          .filter(Boolean)
          .join('\n'),
    }),
  );
}

const CAPTION = { labelAnchor: 'center', labelArrow: 'none', labelOffset: 40, fontSize: 12 } as const;

function heading(title: string, about: string, yCaption: string): Plot.Markish[] {
  const common = {
    facet: 'super',
    frameAnchor: 'top-left',
    textAnchor: 'start',
    dx: -MARGIN.left + 8,
  } as const;
  return [
    Plot.text([title], { ...common, dy: -60, fontSize: 16, fontWeight: 650 }),
    Plot.text([about], { ...common, dy: -40, fontSize: 12.5, fillOpacity: 0.72 }),
    Plot.text([yCaption], { ...common, dy: -17, fontSize: 12, fillOpacity: 0.72 }),
  ];
}

function grid(domain: readonly [number, number]): Plot.Markish {
  return Plot.gridY(powersOfTen(domain), { strokeOpacity: 0.14 });
}

function powersOfTen([low, high]: readonly [number, number]): number[] {
  const powers = [];
  for (let power = Math.ceil(Math.log10(low)); power <= Math.log10(high); power++) powers.push(10 ** power);
  return powers;
}

function paddedDomain(points: readonly Point[], least = Infinity): [number, number] {
  const values = points.map(({ y }) => y).filter((y) => y > 0);
  return [Math.min(least, ...values) * 0.8, Math.max(...values) * 1.25];
}

function tickText(value: number): string {
  return value >= 1e6 ? `${value / 1e6}M` : value >= 1e4 ? `${value / 1e3}k` : String(value);
}

function size({ document }: ChartOptions) {
  return {
    width: WIDTH,
    height: HEIGHT,
    marginTop: MARGIN.top,
    marginRight: MARGIN.right,
    marginBottom: MARGIN.bottom,
    marginLeft: MARGIN.left,
    style: { fontSize: '12px', fontFamily: FONT, background: 'none' },
    ...(document && { document }),
  };
}

function render(plot: Plot.PlotOptions): Element {
  const svg = Plot.plot(plot);
  svg.classList.add('chart');
  return svg;
}

const THREADS_HEIGHT = 370;

/** Speed on 1, 2, 4 … threads, a chart for each shape side by side; memcpy knows one thread only, and is a level. */
function threads(points: readonly Point[], options: ChartOptions): Element {
  const visible = points.filter(({ contender }) => !options.hidden?.has(contender));
  const counts = [...new Set(points.map(({ x }) => x))];
  const facets = [...new Set(points.map(({ facet }) => facet))];
  const most = Math.max(...counts);
  const levels = visible
    .filter(({ contender }) => contender === 'memcpy')
    .map((point) => ({ ...point, x: most }));
  const scaling = visible.filter(({ contender }) => contender !== 'memcpy');
  const single = scaling.filter(({ contender, x }) => contender === REFERENCE && x === 1);
  const ideal = single.flatMap(({ facet, y }) => counts.map((x) => ({ facet, x, y: x * y })));
  const domain = [0, 1.1 * Math.max(...[...visible, ...ideal].map(({ y }) => y))] as const;
  const frame = { top: MARGIN.top, bottom: THREADS_HEIGHT - MARGIN.bottom, domain, scale: 'linear' as const };
  const labels = facets.flatMap((facet) =>
    endLabels(lastPoints([...scaling, ...levels].filter((point) => point.facet === facet)), frame),
  );
  const place = { x: 'x', y: 'y', fx: 'facet' } as const;
  return render({
    ...size(options),
    height: THREADS_HEIGHT,
    marginRight: 120,
    x: { type: 'point', domain: counts, label: null, padding: 0.12 },
    y: { domain, label: null },
    fx: { domain: facets, label: null, padding: 0.55 },
    marks: [
      Plot.gridY({ ticks: 6, strokeOpacity: 0.14 }),
      Plot.axisX(counts, { tickFormat: 'd', label: 'threads', ...CAPTION, tickSize: 4 }),
      Plot.axisY({ ticks: 6, tickSize: 0, label: null }),
      Plot.axisFx({ fontSize: 12, fontWeight: 600, dy: 2, label: null }),
      ...heading(
        'Speed against the number of threads',
        'Billions of elements per second; higher is better. Dotted: as if every thread added as much as the first.',
        '',
      ),
      Plot.line(ideal, {
        ...place,
        stroke: 'currentColor',
        strokeOpacity: 0.45,
        strokeDasharray: '1 4',
        strokeWidth: 1.5,
      }),
      Plot.line(
        levels.flatMap((level) => counts.map((x) => ({ ...level, x }))),
        { ...place, stroke: lookOf('memcpy').light, strokeDasharray: '3 3' },
      ),
      ...contendersOf(scaling).flatMap((contender) => {
        const { light, width } = lookOf(contender);
        const own = scaling.filter((point) => point.contender === contender);
        return [
          Plot.line(own, { ...place, stroke: light, strokeWidth: width }),
          Plot.dot(own, { ...place, fill: light, r: width + 0.75 }),
        ];
      }),
      ...names(labels, { fx: 'facet' }),
      ...(options.isInteractive
        ? [tips([...scaling, ...levels], threadsText, 'billion elements/s', { fx: 'facet' })]
        : []),
    ],
  });
}

function threadsText(count: number): string {
  return count === 1 ? '1 thread' : `${count} threads`;
}

const CLASS_TICKS = [1, 10, 100, 1000, 10_000, 100_000, 1_000_000];

export const CHARTS: readonly Chart[] = [
  {
    name: 'classes',
    title: 'Time per element, from one class to a million',
    series: classesSeries,
    draw: logLog({
      title: 'Softmax of about a million float32 logits, on one thread',
      about: 'Lower is better. memcpy is the floor: it reads and writes as much, and computes nothing.',
      x: 'classes in a row',
      y: 'ns per element',
      unit: 'ns per element',
      xTicks: CLASS_TICKS,
      xText: tickText,
    }),
  },
  {
    name: 'ranges',
    title: 'Largest error against the range of the logits',
    series: rangesSeries,
    draw: logLog({
      title: 'Largest error, against the range of the logits',
      about:
        '256 rows of 1000 float32 logits, uniform in ±range. Lower is better; a result rounded just once has 0.5.',
      x: 'logits lie within ±',
      y: 'units in the last place (ULP)',
      unit: 'ULP',
      xTicks: [0.1, 1, 10, 100, 1000],
      xText: String,
      least: 0.25,
      marks: [
        Plot.ruleY([2], { stroke: 'currentColor', strokeOpacity: 0.5, strokeDasharray: '2 3' }),
        Plot.text(['simd-softmax promises 2'], {
          x: () => 60,
          y: () => 2,
          dy: -9,
          fontSize: 11.5,
          fillOpacity: 0.72,
        }),
      ],
    }),
  },
  {
    name: 'calls',
    title: 'One call, against the length of the row',
    series: callsSeries,
    draw: logLog({
      title: 'One call for one row of float32 logits',
      about: 'Lower is better. simd-softmax writes to memory that the caller keeps.',
      x: 'classes in the row',
      y: 'ns per call',
      unit: 'ns per call',
      xTicks: CLASS_TICKS.slice(0, 5),
      xText: tickText,
    }),
  },
  { name: 'threads', title: 'Threads', series: threadsSeries, draw: threads },
];
