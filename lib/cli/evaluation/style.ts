/** How the page looks: light and dark as the reader has it, from a phone to a wide screen. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --paper: #fbfbfa; --card: #ffffff; --ink: #1c1d21; --soft: #5d606b; --line: #e4e4e0; --grid: #ececea;
  --blue: #3467d6; --blue-soft: #a9c1f5; --red: #d2413a; --ground: #f1f1ee; --on: #ffffff; --mid: #1c1d21;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #131417; --card: #1b1d21; --ink: #ececf0; --soft: #a2a5b1; --line: #2e3138; --grid: #292c32;
    --blue: #6f9bff; --blue-soft: #3d588f; --red: #ff7a70; --ground: #22252a; --on: #0e1014; --mid: #0e1014;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0 auto; max-width: 1080px; padding: 32px 16px 48px; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  font-variant-numeric: tabular-nums; overflow-wrap: anywhere;
}
header { margin-bottom: 24px; }
h1 { margin: 0; font-size: clamp(1.4rem, 5vw, 2rem); line-height: 1.2; letter-spacing: -0.01em; }
h2 { margin: 40px 0 4px; font-size: 1.2rem; letter-spacing: -0.005em; }
p { margin: 4px 0 12px; max-width: 68ch; }
header p, .soft, caption, footer { color: var(--soft); }
section > p { color: var(--soft); }
.metrics {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 136px), 1fr)); gap: 12px; margin: 0;
}
.metrics div, figure, .panel {
  background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 12px 14px;
}
.metrics dt { color: var(--soft); font-size: 0.82rem; }
.metrics dd { margin: 0; }
.metrics .value { font-size: 1.4rem; font-weight: 650; line-height: 1.3; }
.metrics .before { display: block; color: var(--soft); font-size: 0.95rem; }
.metrics .value, .metrics .before { white-space: nowrap; }
.metrics small { display: block; color: var(--soft); font-size: 0.78rem; line-height: 1.35; }
.call { border-left: 3px solid var(--blue); padding: 2px 0 2px 12px; margin: 16px 0 0; }
code { font: 0.92em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 320px), 1fr)); gap: 12px; align-items: start; }
figure { margin: 0; }
figcaption { font-weight: 600; margin-bottom: 6px; }
svg { display: block; width: 100%; height: auto; overflow: visible; }
svg text { font: 11px system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; fill: var(--ink); }
svg .tick { fill: var(--soft); }
svg .name { fill: var(--soft); font-size: 12px; }
svg .grid { stroke: var(--grid); stroke-width: 1; }
svg .axis { stroke: var(--soft); stroke-width: 1; }
svg .diagonal { stroke: var(--soft); stroke-width: 1.25; stroke-dasharray: 4 4; }
svg .bar { fill: var(--blue); }
svg .gap { stroke-width: 1; }
svg .over { fill: var(--red); fill-opacity: 0.28; stroke: var(--red); stroke-opacity: 0.6; }
svg .under { fill: var(--blue-soft); stroke: none; }
svg .sure { stroke: var(--ink); stroke-width: 2; }
svg .none { fill: var(--soft); opacity: 0.6; }
svg .ground { fill: var(--ground); }
svg .right { fill: var(--blue); }
svg .wrong { fill: var(--red); }
svg .on { fill: var(--on); }
svg .mid { fill: var(--mid); }
svg g:hover > rect { filter: brightness(1.12); }
.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; list-style: none; margin: 10px 0 0; padding: 0; color: var(--soft); font-size: 0.85rem; }
.legend span { display: inline-block; width: 12px; height: 12px; border-radius: 3px; margin-right: 6px; vertical-align: -1px; }
.legend .l-bar { background: var(--blue); }
.legend .l-over { background: color-mix(in srgb, var(--red) 45%, transparent); }
.legend .l-under { background: var(--blue-soft); }
.legend .l-sure { height: 2px; background: var(--ink); vertical-align: 4px; }
.drawing { overflow-x: auto; }
.matrix { margin: 0 auto; }
table { border-collapse: collapse; width: 100%; font-size: 0.92rem; }
caption { text-align: left; padding-bottom: 6px; }
th, td { text-align: right; padding: 6px 6px; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--soft); font-weight: 500; }
tr:last-child > td { border-bottom: 0; }
td:not(.word), th:not(.word) { white-space: nowrap; overflow-wrap: normal; }
.word { text-align: left; }
td.strong { font-weight: 600; }
details { margin-top: 12px; }
summary { cursor: pointer; color: var(--soft); padding: 4px 0; }
:focus-visible { outline: 2px solid var(--blue); outline-offset: 2px; border-radius: 4px; }
.two { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 340px), 1fr)); gap: 12px; align-items: start; }
.one { display: grid; grid-template-columns: minmax(0, 1fr); gap: 12px; }
footer { margin-top: 40px; font-size: 0.85rem; }
@media (max-width: 480px) {
  body { padding: 20px 12px 32px; }
  th, td { padding: 6px 3px; font-size: 0.82rem; }
  .panel { padding: 10px 8px; }
  .metrics { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .metrics div:last-child:nth-child(odd) { grid-column: 1 / -1; }
}
@media print { body { max-width: none; } figure, .panel { break-inside: avoid; } }
`;
