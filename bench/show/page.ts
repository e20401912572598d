/** What the report page does in the browser: charts with contenders to show and hide, and a table per case. */
import type { CaseResults, Results } from '../measure/results.js';
import { CHARTS } from './charts.js';
import { lookOf } from './colours.js';
import { ratioText, ratioToOurs, spreadText, timeText, titleOf, ulpText, unitOf } from './numbers.js';
import { ranked } from './ranking.js';

const results: Results = JSON.parse(byId('results').textContent ?? '');
const { machine, commit, contenders } = results;
const kinds = new Map(contenders.map(({ name, kind }) => [name, kind]));
const hidden = new Set<string>();
const isDark = matchMedia('(prefers-color-scheme: dark)');

byId('machine').textContent = [
  machine.cpu,
  `${machine.cores} cores`,
  `Node ${machine.node}`,
  results.date.slice(0, 10),
  commit ? `commit ${commit}` : '',
  results.quick ? 'a quick run: expect noise' : '',
]
  .filter(Boolean)
  .join(' · ');

const charts = CHARTS.map((chart) => ({ chart, points: chart.series(results) })).filter(
  ({ points }) => points.length > 0,
);
const inCharts = new Set(charts.flatMap(({ points }) => points.map(({ contender }) => contender)));
byId('chips').append(...contenders.filter(({ name }) => inCharts.has(name)).map(({ name }) => chip(name)));
drawCharts();
isDark.addEventListener('change', () => location.reload());
for (const one of results.cases) byId('cases').append(...caseSection(one));

function drawCharts(): void {
  byId('charts').replaceChildren(
    ...charts.map(({ chart, points }) => {
      const figure = document.createElement('figure');
      figure.append(chart.draw(points, { isInteractive: true, hidden }));
      return figure;
    }),
  );
}

/** A button that shows or hides a contender, with its line as the sign. */
function chip(name: string): HTMLElement {
  const { light, dark, width, dash } = lookOf(name);
  const button = document.createElement('button');
  button.type = 'button';
  button.ariaPressed = 'true';
  button.innerHTML = `<svg width="22" height="6" aria-hidden="true"><line x1="0" x2="22" y1="3" y2="3"/></svg>`;
  const line = button.querySelector('line')!;
  line.setAttribute('stroke', isDark.matches ? dark : light);
  line.setAttribute('stroke-width', String(width));
  if (dash) line.setAttribute('stroke-dasharray', dash);
  button.append(name);
  button.addEventListener('click', () => {
    if (!hidden.delete(name)) hidden.add(name);
    button.ariaPressed = String(!hidden.has(name));
    drawCharts();
  });
  return button;
}

function caseSection(one: CaseResults): HTMLElement[] {
  const isTimed = one.case.group !== 'ranges';
  const title = document.createElement('h3');
  title.textContent = titleOf(one.case);
  const table = document.createElement('table');
  const head = ['', ...(isTimed ? [unitOf(one.case).name, 'spread', 'to ours'] : []), 'max ULP', 'mean ULP'];
  table.createTHead().append(row('th', head));
  const body = table.createTBody();
  for (const result of ranked(one)) {
    const { contender, time, accuracy } = result;
    const times = time
      ? [timeText(one.case, time), spreadText(time), ratioText(ratioToOurs(one, time))]
      : ['', '', ''];
    const cells = [contender, ...(isTimed ? times : []), ulpText(accuracy.maxUlp), ulpText(accuracy.meanUlp)];
    const line = row('td', cells);
    line.className = kinds.get(contender) ?? '';
    if (time)
      line.title = `rounds: ${time.rounds.map((round) => timeText(one.case, { ...time, median: round })).join(', ')}`;
    body.append(line);
  }
  const scroll = document.createElement('div');
  scroll.className = 'scroll';
  scroll.append(table);
  const missing = one.results.flatMap((result) =>
    result.status === 'measured' ? [] : [`${result.contender}: ${result.reason}`],
  );
  if (missing.length === 0) return [title, scroll];
  const aside = document.createElement('p');
  aside.className = 'aside';
  aside.textContent = `Not here: ${missing.join('; ')}.`;
  return [title, scroll, aside];
}

function row(tag: 'td' | 'th', cells: readonly string[]): HTMLTableRowElement {
  const line = document.createElement('tr');
  line.append(
    ...cells.map((text) => {
      const cell = document.createElement(tag);
      cell.textContent = text;
      return cell;
    }),
  );
  return line;
}

function byId(id: string): HTMLElement {
  return document.getElementById(id)!;
}
