/** Bias and penalties in WebAssembly: solved by the module, part by part, with what JavaScript draws. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { solve as solveInJs } from '../lib/backends/js/index.js';
import { wasmBackend } from '../lib/backends/wasm/index.js';
import { compile, instantiate } from '../lib/backends/wasm/instance.js';
import { plan } from '../lib/calls/plan.js';
import { operations } from '../lib/ops/all.js';
import { Random, seed } from './random.js';

const file = fileURLToPath(new URL('../dist/simd-softmax.wasm', import.meta.url));

describe.skipIf(!existsSync(file))(`lists of classes in WebAssembly (seed ${seed})`, () => {
  const instance = instantiate(compile(readFileSync(file)), 'wasm');
  let solved = 0;
  const backend = wasmBackend({
    ...instance,
    solve() {
      solved++;
      instance.solve();
    },
  });

  /** The draws of a call, which are js's, and how many parts the module solved. */
  function parts(x: Float32Array, options: object): number {
    const { problem } = plan(operations.sample, x, undefined, { seed: 1, ...options });
    for (const _ of solveInJs(problem, 0, problem.outer * problem.inner));
    const drawn = [...problem.out];
    problem.out.fill(7);
    solved = 0;
    backend.run(problem);
    expect([...problem.out]).toEqual(drawn);
    return solved;
  }

  /** A list with a part of its own for each row, of up to `most` entries. */
  function ragged(random: Random, rows: number, most: number, classes: number) {
    const starts = new Uint32Array(rows + 1);
    for (let row = 0; row < rows; row++) starts[row + 1] = starts[row] + random.below(most + 1);
    return { list: new Uint32Array(starts[rows]).map(() => random.below(classes)), starts };
  }

  test.each([
    [{ axis: -1 }, 2000, 90],
    [{ axis: 0 }, 2000, 90],
    [{ axis: 1 }, 700, 300],
  ])('every part has the lists of its rows: %j', (options, rows, classes) => {
    const random = new Random('wasm lists');
    const x = random.fill(new Float32Array(rows * classes), 4);
    const shape = { '-1': [rows, classes], 0: [classes, rows], 1: [7, classes, rows / 7] }[options.axis];
    const history = ragged(random, rows, 30, classes);
    const prompt = ragged(random, rows, 5, classes);
    const bias = ragged(random, rows, 9, classes);
    const values = random.fill(new Float64Array(bias.list.length), 3);
    const own = {
      ...{ history: history.list, historyOffsets: history.starts },
      ...{ prompt: prompt.list, promptOffsets: prompt.starts },
      bias: { classes: bias.list, values, offsets: bias.starts },
    };
    const shared = {
      history: [1, 2, 2, 80],
      prompt: [3, 7],
      bias: { classes: [5, 6], values: [2, -Infinity] },
    };
    for (const lists of [own, shared, { ...own, bias: shared.bias }]) {
      const penalties = { repetitionPenalty: 1.3, frequencyPenalty: 0.2, presencePenalty: 0.1, topK: 9 };
      expect(parts(x, { shape, ...options, ...lists, ...penalties })).toBeGreaterThan(1);
    }
  });

  test('ragged rows have lists of their own too', () => {
    const random = new Random('wasm ragged lists');
    const rows = 3000;
    const offsets = new Uint32Array(rows + 1);
    for (let row = 0; row < rows; row++) offsets[row + 1] = offsets[row] + 10 + random.below(60);
    const x = random.fill(new Float32Array(offsets[rows]), 4);
    const history = ragged(random, rows, 20, 10);
    const lists = { history: history.list, historyOffsets: history.starts };
    expect(parts(x, { offsets, ...lists, frequencyPenalty: 0.5 })).toBeGreaterThan(1);
  });

  test('a row with more entries than the module has room for is drawn in JavaScript', () => {
    const random = new Random('wasm long lists');
    const [rows, classes] = [3, 40_000];
    const x = random.fill(new Float32Array(rows * classes), 4);
    const long = 70_000;
    const history = new Uint32Array(long + 60_005).map(() => random.below(classes));
    const historyOffsets = [0, 5, 5 + long, 5 + long + 60_000];
    expect(parts(x, { shape: [rows, classes], history, historyOffsets, repetitionPenalty: 2 })).toBe(2);
  });
});
