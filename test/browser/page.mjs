/** Runs the contract suite, and the smoke of every operation, in this page, and shows what came out. */
import * as api from 'simd-softmax';
import * as promises from 'simd-softmax/promises';
import { smoke } from '../package/smoke.mjs';
import { digest } from './digest.mjs';
import { ready } from './ready.mjs';
import { tests } from './vitest.ts';

const load = import.meta.glob([
  '../contract/*.test.ts',
  '!../contract/bits.test.ts',
  '!../contract/fit-passes.test.ts',
]);
const element = (id) => document.getElementById(id);
const turn = () => new Promise((resolve) => setTimeout(resolve));

// test/elements.ts compares bits as hexadecimal text.
const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
globalThis.Buffer = {
  from: (...range) => ({
    toString: () => Array.from(new Uint8Array(...range), (byte) => hex[byte]).join(''),
  }),
};

// Of a browser that nobody drives (firefox.mjs).
const posts = location.hash === '#posts';
const post = (report) => fetch('report', { method: 'POST', body: JSON.stringify(report) });
if (posts) {
  addEventListener('error', ({ message, filename, lineno }) =>
    post({ error: `${message} (${filename}:${lineno})` }),
  );
  addEventListener('unhandledrejection', ({ reason }) => post({ error: String(reason?.stack ?? reason) }));
}

await ready;
const { backend, classify } = api;
// The tests that ask for the backend by its name (run.mjs).
globalThis.isa = backend.isa;
const [dog] = classify([3.2, 1.3, 0.2, 0.8], { labels: ['dog', 'cat', 'horse', 'cheetah'] });
element('example').textContent =
  `The logits 3.2, 1.3, 0.2, 0.8 make it a ${dog.label}, with probability ${dog.score.toFixed(3)} (backend ${backend.isa}).`;

for (const path of Object.keys(load).sort()) await load[path]();
const first = await smoke();
const failures = [...first.failures];
let passed = first.passed;
let shown = 0;
for (const { name, body } of tests) {
  try {
    await body();
    passed++;
  } catch (error) {
    failures.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (performance.now() - shown < 200) continue;
  element('result').textContent =
    `${passed} passed, ${failures.length} failed, of ${tests.length + first.passed} …`;
  await turn();
  shown = performance.now();
}
element('result').textContent = `${passed} passed, ${failures.length} failed`;
element('failures').textContent = failures.join('\n\n');
const digests = await digest(api, promises);
const report = { ...first, passed, failures, digests };
document.body.dataset.report = JSON.stringify(report);
if (posts) await post(report);
