/** An evaluation as one page that stands alone: no script, and nothing is fetched. */
import { basename } from 'node:path';
import { version } from '../../../package.json';
import { printable } from '../failure.js';
import { count, number, positions } from '../report.js';
import type { Mistake, Pair } from './details.js';
import type { Evaluated } from './evaluate-file.js';
import { histogramFigure, reliabilityFigure } from './figures.js';
import { html, Markup } from './markup.js';
import { MOST_DRAWN, MOST_NUMBERED, matrixFigure } from './matrix.js';
import { STYLE } from './style.js';
import { metricsOf, nameOf, percent, rangeOf } from './words.js';

export function evaluationPage(evaluated: Evaluated): string {
  const { input, classes, temperature, result, bad, backend } = evaluated;
  const name = printable(input === '-' ? 'stdin' : input);
  const of = classes === undefined ? 'rows of unequal length' : count(classes, 'class', 'classes');
  const ignored = result.ignored > 0 ? `, ${number.format(result.ignored)} more not judged` : '';
  const where = backend.kind === 'js' ? 'js' : `${backend.kind} ${backend.isa}`;
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="generator" content="simd-softmax ${version}">
<link rel="icon" href="data:,">
<title>${name}: evaluation</title>
<style>${new Markup(STYLE)}</style>
</head>
<body>
<header>
<h1><bdi>${basename(name)}</bdi></h1>
${basename(name) === name ? undefined : html`<p><code>${name}</code></p>`}
<p>${count(result.rows, 'row')} judged${ignored}; ${of}; temperature ${temperature}.</p>
${bad.count > 0 ? html`<p>${positions(bad)} could not be scored.</p>` : undefined}
</header>
<main>
${metrics(evaluated)}
${result.rows > 0 ? html`${calibration(evaluated)}${confusion(evaluated)}${mistakes(evaluated)}` : undefined}
</main>
<footer>simd-softmax ${version}, ${where}. Bins are open below and closed above; equal classes count for the lower index.</footer>
</body>
</html>
`;
  return page.text;
}

function metrics({ result, fit, k, classes, temperature }: Evaluated): Markup {
  const before = metricsOf(result, k, classes);
  const after = fit && metricsOf(fit.after, k, classes);
  const cards = before.map(({ name, value, meaning }, i) => {
    const changed = after && after[i].value !== value;
    const values = changed
      ? html`<span class="before">${value} →</span><span class="value">${after[i].value}</span>`
      : html`<span class="value">${value}</span>`;
    return html`<div><dt>${name}</dt><dd>${values}<small>${meaning}</small></dd></div>`;
  });
  return html`<dl class="metrics">${cards}</dl>
${fit && html`<p class="call">The log loss is least at temperature <strong>${fit.temperature.toPrecision(6)}</strong>${fit.converged ? '' : ', the end of the range'}. Arrows lead from temperature ${temperature} to it. <code>simd-softmax score … --temperature ${fit.temperature.toPrecision(6)}</code></p>`}`;
}

function calibration({ result, fit, temperature }: Evaluated): Markup {
  const at = `before, at ${temperature}`;
  const after = fit && `after, at ${fit.temperature.toPrecision(4)}`;
  return html`<section>
<h2>Can its probabilities be believed?</h2>
<p>Rows are sorted by the probability of their likeliest class. Where the bar ends at the diagonal, the model is as often right as it says. The numbers above are rows.</p>
<div class="figures">
${reliabilityFigure(result.bins, 'reliability', fit ? `Reliability ${at}` : 'Reliability')}
${fit && after && reliabilityFigure(fit.after.bins, 'reliability-after', `Reliability ${after}`)}
<div class="figures">
${histogramFigure(result.bins, 'confidence', fit ? `Confidence ${at}` : 'Confidence')}
${fit && after && histogramFigure(fit.after.bins, 'confidence-after', `Confidence ${after}`)}
</div>
</div>
<ul class="legend">
<li><span class="l-bar"></span>how often right</li>
<li><span class="l-over"></span>surer than right</li>
<li><span class="l-under"></span>righter than sure</li>
<li><span class="l-sure"></span>how sure, in the mean</li>
</ul>
<details><summary>The numbers</summary>
<table>
<thead><tr><th class="word" scope="col">sure</th><th scope="col">rows</th><th scope="col">right</th><th scope="col">mean sure</th></tr></thead>
<tbody>${result.bins
    .filter((bin) => bin.count > 0)
    .map(
      (bin) =>
        html`<tr><td class="word">${rangeOf(bin, result.bins.length)}</td><td>${number.format(bin.count)}</td><td>${percent(bin.accuracy)}</td><td>${percent(bin.confidence)}</td></tr>`,
    )}</tbody>
</table>
</details>
</section>`;
}

function confusion({ result, classes, pairs, labels }: Evaluated): Markup {
  const drawn = result.confusion && classes !== undefined && classes <= MOST_DRAWN;
  return html`<section>
<h2>Which classes are confused?</h2>
<p>${drawn ? 'A row per true class; the stronger the colour, the larger its share. ' : ''}${pairs.length > 0 ? 'The commonest mistakes by class.' : 'None: every row is right.'}</p>
<div class="${drawn && classes > MOST_NUMBERED ? 'one' : 'two'}">
${drawn && result.confusion ? html`<div class="panel">${matrixFigure(result.confusion, labels)}</div>` : undefined}
${pairs.length > 0 ? html`<div class="panel">${pairTable(pairs, labels)}</div>` : undefined}
</div>
</section>`;
}

function pairTable(pairs: readonly Pair[], labels: readonly string[] | undefined): Markup {
  const rows = pairs.map(
    ({ truth, taken, rows }) =>
      html`<tr><td class="word">${named(truth, labels)}</td><td class="word">${named(taken, labels)}</td><td>${number.format(rows)}</td></tr>`,
  );
  return html`<table>
<thead><tr><th class="word" scope="col">true class</th><th class="word" scope="col">taken for</th><th scope="col">rows</th></tr></thead>
<tbody>${rows}</tbody>
</table>`;
}

function mistakes({ mistakes, labels }: Evaluated): Markup | undefined {
  if (mistakes.length === 0) return undefined;
  const rows = mistakes.map(
    ({ row, truth, taken, confidence, probability }: Mistake) =>
      html`<tr><td>${row}</td><td class="word">${named(truth, labels)}</td><td class="word strong">${named(taken, labels)}</td><td>${share(confidence)}</td><td>${share(probability)}</td></tr>`,
  );
  return html`<section>
<h2>Where was it surest, and wrong?</h2>
<p>Rows are numbered from 0, as they stand in the input. Mistakes of great confidence are often wrong labels.</p>
<div class="panel"><table>
<thead><tr><th scope="col">row</th><th class="word" scope="col">true class</th><th class="word" scope="col">taken for</th><th scope="col">sure</th><th scope="col">true had</th></tr></thead>
<tbody>${rows}</tbody>
</table></div>
</section>`;
}

function named(index: number, labels: readonly string[] | undefined): Markup {
  return html`<bdi>${printable(nameOf(index, labels))}</bdi>`;
}

/** A percentage; one that rounds to none or all still says which it is not. */
function share(probability: number): string {
  if (probability > 0 && probability < 5e-5) return '< 0.01 %';
  return probability < 1 && probability > 0.99995 ? '> 99.99 %' : percent(probability);
}
