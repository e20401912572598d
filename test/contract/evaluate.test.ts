/** evaluate and newEvaluation, against definitions written out: every input form, special rows, batches. */
import { describe, expect, it } from 'vitest';
import * as sync from '../../lib/index.js';
import * as promises from '../../lib/promises.js';
import type { ClassTargets, EvaluateOptions, EvaluationResult } from '../../lib/types/evaluation.js';
import type { Logits } from '../../lib/types.js';
import { elements, elementTypes, numbers } from '../elements.js';
import { Random, seed } from '../random.js';
import { backendName } from './ways.js';

/** A row as the definitions see it: -Infinity where a class takes no part. */
type Row = readonly number[];
const none = -100;

/** The metrics over rows with targets, in float64, term by term. */
function byDefinition(
  rows: readonly Row[],
  targets: ArrayLike<number>,
  {
    k = 5,
    bins: binCount = 15,
    temperature = 1 as number | readonly number[],
    classes = rows[0].length,
  } = {},
): EvaluationResult {
  let [judged, right, rightInTop, logLoss, brier, entropy] = [0, 0, 0, 0, 0, 0];
  const bins = Array.from({ length: binCount }, () => ({ count: 0, confidence: 0, right: 0 }));
  const confusion = new Uint32Array(classes * classes);
  rows.forEach((row, r) => {
    const target = targets[r];
    if (target === none) return;
    judged++;
    const t = typeof temperature === 'number' ? temperature : temperature[r];
    const max = Math.max(...row);
    const terms = row.map((x) => Math.exp((x - max) / t));
    const total = terms.reduce((sum, term) => sum + term);
    const order = row.map((_, i) => i).sort((a, b) => row[b] - row[a] || a - b);
    if (order[0] === target) right++;
    if (order.indexOf(target) < k) rightInTop++;
    logLoss += (max - row[target]) / t + Math.log(total);
    terms.forEach((term, i) => {
      const p = term / total;
      brier += (p - (i === target ? 1 : 0)) ** 2;
      if (p > 0) entropy -= p * Math.log(p);
    });
    const confidence = 1 / total;
    let bin = 0;
    while (confidence > (bin + 1) / binCount) bin++;
    bins[bin].count++;
    bins[bin].confidence += confidence;
    if (order[0] === target) bins[bin].right++;
    confusion[target * classes + order[0]]++;
  });
  const gaps = bins.map(({ count, confidence, right }) => Math.abs(right - confidence) / count || 0);
  return {
    rows: judged,
    ignored: rows.length - judged,
    accuracy: right / judged,
    topKAccuracy: rightInTop / judged,
    logLoss: logLoss / judged,
    perplexity: Math.exp(logLoss / judged),
    brier: brier / judged,
    calibrationError: gaps.reduce((sum, gap, i) => sum + (gap * bins[i].count) / judged, 0),
    maxCalibrationError: Math.max(...gaps),
    entropy: entropy / judged,
    bins: bins.map(({ count, confidence, right }, i) => ({
      lower: i / binCount,
      upper: (i + 1) / binCount,
      count,
      confidence: confidence / count,
      accuracy: right / count,
    })),
    confusion,
  };
}

/** The same keys, counts and matrix; numbers within `tolerance`, relative. */
function expectClose(received: EvaluationResult, expected: EvaluationResult, tolerance: number): void {
  expect(Object.keys(received)).toEqual(Object.keys(expected));
  const isClose = (a: number, b: number, name: string) =>
    expect(
      Object.is(a, b) || Math.abs(a - b) <= tolerance * Math.max(Math.abs(b), 1e-6),
      `${name}: ${a}, and ${b}`,
    ).toBe(true);
  for (const [name, value] of Object.entries(expected)) {
    if (typeof value === 'number') isClose(received[name as 'rows'], value, name);
  }
  received.bins.forEach((bin, i) => {
    expect([bin.lower, bin.upper, bin.count]).toEqual([
      expected.bins[i].lower,
      expected.bins[i].upper,
      expected.bins[i].count,
    ]);
    isClose(bin.confidence, expected.bins[i].confidence, `confidence ${i}`);
    isClose(bin.accuracy, expected.bins[i].accuracy, `accuracy ${i}`);
  });
  const matrix = ({ confusion }: EvaluationResult) =>
    confusion && Buffer.from(confusion.buffer).toString('hex');
  expect(matrix(received) === matrix(expected), 'the confusion matrix').toBe(true);
}

const rowsOf = (x: ArrayLike<number>, length: number): Row[] =>
  Array.from({ length: x.length / length }, (_, r) => Array.from({ length }, (_, i) => x[r * length + i]));

function some(name: string, rows: number, classes: number, spread = 6) {
  const random = new Random(name);
  const x = random.fill(new Float64Array(rows * classes), spread);
  const targets = Int32Array.from({ length: rows }, (_, r) =>
    r % 7 === 5 ? none : Math.min(classes - 1, Math.floor(random.next() * classes)),
  );
  return { x, targets };
}

describe.each([
  ['synchronously', sync],
  ['as a promise', promises],
] as const)(`An evaluation %s, on ${backendName} (seed ${seed})`, (_, { evaluate, newEvaluation }) => {
  const judge = async (x: Logits, targets: ClassTargets, options?: EvaluateOptions) =>
    await evaluate(x, targets, options);

  for (const type of elementTypes) {
    const dtype = type === 'float16' || type === 'bfloat16' ? { dtype: type } : {};
    const tolerance = type === 'float64' ? 1e-13 : 2e-7;
    it.each([
      [40, 1],
      [100, 2],
      [300, 10],
      [60, 33],
      [20, 250],
      [9, 1000],
      [3, 5000],
    ])(`is what its definitions say: ${type}, %i rows of %i`, async (rows, classes) => {
      const { x, targets } = some(`${type} ${rows}`, rows, classes);
      const logits = elements(x, type);
      for (const temperature of [1, 0.4]) {
        const received = await judge(logits, targets, { shape: [rows, classes], temperature, ...dtype });
        const expected = byDefinition(rowsOf(numbers(logits, type), classes), targets, { temperature });
        const { confusion: _, ...rest } = expected;
        expectClose(received, classes > 256 ? rest : expected, tolerance);
      }
    });
  }

  it('takes tensors, nested arrays, lists of numbers and every kind of target', async () => {
    const { x, targets } = some('forms', 12, 4);
    const expected = byDefinition(rowsOf(x, 4), targets);
    const list = Array.from(targets);
    const shape = [12, 4];
    for (const given of [
      targets,
      list,
      BigInt64Array.from(list, BigInt),
      { data: targets, dims: [12] },
      { data: targets, shape: [12] },
    ])
      expectClose(await judge(x, given as ClassTargets, { shape }), expected, 1e-13);
    expectClose(await judge({ data: x, dims: shape }, targets), expected, 1e-13);
    expectClose(await judge({ data: x, shape }, targets), expected, 1e-13);
    expectClose(await judge(rowsOf(x, 4), list), expected, 1e-13);
    expectClose(await judge([2, 1], [1]), byDefinition([[2, 1]], [1]), 1e-13);
    const deep = [rowsOf(x.subarray(0, 24), 4), rowsOf(x.subarray(24), 4)];
    expectClose(await judge(deep, [list.slice(0, 6), list.slice(6)]), expected, 1e-13);
  });

  it('along any axis, and over several', async () => {
    const { x, targets } = some('axes', 6 * 5, 4);
    const rows = rowsOf(x, 4);
    const expected = byDefinition(rows, targets);
    const first = Float64Array.from({ length: x.length }, (_, i) => rows[i % 30][Math.floor(i / 30)]);
    expectClose(await judge(first, targets, { shape: [4, 30], axis: 0 }), expected, 1e-13);
    const middle = Float64Array.from(
      { length: x.length },
      (_, i) => rows[Math.floor(i / 20) * 5 + (i % 5)][Math.floor(i / 5) % 4],
    );
    expectClose(await judge(middle, targets, { shape: [6, 4, 5], axis: 1 }), expected, 1e-13);
    const apart = Float64Array.from(
      { length: x.length },
      (_, i) => rows[Math.floor(i / 2) % 30][Math.floor(i / 60) * 2 + (i % 2)],
    );
    expectClose(await judge(apart, targets, { shape: [2, 30, 2], axis: [0, 2] }), expected, 1e-13);
  });

  it('under masks, lengths, offsets and a temperature per row', async () => {
    const { x, targets } = some('masks', 40, 6);
    const random = new Random('masks');
    const rows = rowsOf(x, 6);
    const where = Uint8Array.from(x, (_, i) =>
      Number(targets[Math.floor(i / 6)] === i % 6 || random.next() < 0.7),
    );
    const masked = rows.map((row, r) => row.map((v, i) => (where[r * 6 + i] ? v : -Infinity)));
    expectClose(await judge(x, targets, { shape: [-1, 6], where }), byDefinition(masked, targets), 1e-13);
    const shared = [1, 1, 1, 1, 1, 0];
    const within = targets.map((target) => (target === 5 ? 2 : target));
    const short = rows.map((row) => row.map((v, i) => (i < 5 ? v : -Infinity)));
    expectClose(
      await judge(x, within, { shape: [-1, 6], where: shared }),
      byDefinition(short, within),
      1e-13,
    );
    const lengths = targets.map((target, r) => Math.max(target + 1, (r % 6) + 1));
    const valid = rows.map((row, r) => row.map((v, i) => (i < lengths[r] ? v : -Infinity)));
    const padded = x.map((v, i) => (i % 6 < lengths[Math.floor(i / 6)] ? v : NaN));
    expectClose(
      await judge(padded, targets, { shape: [-1, 6], lengths }),
      byDefinition(valid, targets),
      1e-13,
    );
    const ragged = rows.flatMap((row, r) => row.slice(0, lengths[r]));
    const offsets = [0];
    for (const length of lengths) offsets.push(offsets[offsets.length - 1] + length);
    expectClose(
      await judge(Float64Array.from(ragged), targets, { offsets }),
      byDefinition(valid, targets),
      1e-13,
    );
    const temperature = rows.map((_, r) => 0.5 + (r % 4));
    expectClose(
      await judge(x, targets, { shape: [-1, 6], temperature }),
      byDefinition(rows, targets, { temperature }),
      1e-13,
    );
  });

  it('a tie is decided for the lower index', async () => {
    const result = await judge(
      [
        [1, 1, 0],
        [1, 1, 0],
        [0, 2, 2],
      ],
      [0, 1, 1],
      { k: 1 },
    );
    expect([result.accuracy, result.topKAccuracy]).toEqual([2 / 3, 2 / 3]);
    expect(Array.from(result.confusion ?? [])).toEqual([1, 0, 0, 1, 1, 0, 0, 0, 0]);
    const halves = elements([2, 2, 2, 1], 'float16') as Uint16Array;
    const places = await Promise.all(
      [0, 1, 2, 3].map((target) => judge(halves, [target], { dtype: 'float16', k: 2 })),
    );
    expect(places.map(({ topKAccuracy }) => topKAccuracy)).toEqual([1, 1, 0, 0]);
  });

  it('topKAccuracy never falls as k grows, and is 1 from the number of classes on', async () => {
    const x = Float32Array.from({ length: 64 * 8 }, (_, i) => (i * 7919) % 5);
    const targets = Int32Array.from({ length: 64 }, (_, r) => (r * 5) % 8);
    let last = 0;
    for (let k = 1; k <= 10; k++) {
      const { topKAccuracy, accuracy } = await judge(x, targets, { shape: [-1, 8], k });
      if (k === 1) expect(topKAccuracy).toBe(accuracy);
      expect(topKAccuracy).toBeGreaterThanOrEqual(last);
      if (k >= 8) expect(topKAccuracy).toBe(1);
      last = topKAccuracy;
    }
  });

  it('a probability on the edge of a bin belongs below it', async () => {
    const countsOf = async (x: number[], bins: number) =>
      (await judge(x, [0], { bins })).bins.map(({ count }) => count);
    expect(await countsOf([0, 0], 2)).toEqual([1, 0]);
    expect(await countsOf([0, 0, 0, 0, 0], 15)).toEqual([0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    expect(await countsOf([0, -Infinity], 4)).toEqual([0, 0, 0, 1]);
    for (let n = 1; n <= 40; n++) {
      for (const type of ['float32', 'float64', 'float16'] as const) {
        const x = elements(new Float64Array(n).fill(1.3), type);
        const dtype = type === 'float16' ? { dtype: type } : {};
        const { bins } = await judge(x, [n - 1], { bins: n, ...dtype });
        expect([n, bins.findIndex(({ count }) => count === 1)]).toEqual([n, 0]);
        expect(bins[0].confidence).toBe(1 / n);
      }
    }
  });

  it('float32 logits whose probability is next to an edge fall on its right side', async () => {
    // p = 1 / (1 + e^-x): of these floats, one lies below x = ln 3 and one above.
    const [below, above] = [1.0986122, 1.0986123].map(Math.fround);
    expect([below < Math.log(3), above > Math.log(3)]).toEqual([true, true]);
    const { bins } = await judge(Float32Array.of(below, 0, above, 0), [0, 0], { shape: [2, 2], bins: 4 });
    expect(bins.map(({ count }) => count)).toEqual([0, 0, 1, 1]);
  });

  it('empty bins have neither confidence nor accuracy', async () => {
    const { bins, calibrationError, maxCalibrationError } = await judge([100, 0], [0], { bins: 3 });
    expect(bins).toEqual([
      { lower: 0, upper: 1 / 3, count: 0, confidence: NaN, accuracy: NaN },
      { lower: 1 / 3, upper: 2 / 3, count: 0, confidence: NaN, accuracy: NaN },
      { lower: 2 / 3, upper: 1, count: 1, confidence: 1, accuracy: 1 },
    ]);
    expect([calibrationError, maxCalibrationError]).toEqual([0, 0]);
  });

  it.each([
    [
      'all rows are ignored',
      [
        [1, 2],
        [3, 4],
      ],
      [-100, -100],
      2,
    ],
    ['there are no rows', { data: new Float32Array(0), dims: [0, 2] }, [], 0],
  ] as const)('means are NaN where %s', async (_, x, targets, ignored) => {
    const result = await judge(x as Logits, targets);
    const means = [
      'accuracy',
      'topKAccuracy',
      'logLoss',
      'perplexity',
      'brier',
      'calibrationError',
      'maxCalibrationError',
      'entropy',
    ] as const;
    expect([result.rows, result.ignored]).toEqual([0, ignored]);
    for (const name of means) expect(result[name]).toBeNaN();
    expect(result.bins.map(({ count }) => count)).toEqual(new Array(15).fill(0));
    expect(Array.from(result.confusion ?? [])).toEqual([0, 0, 0, 0]);
  });

  it('one class is always right', async () => {
    const { accuracy, topKAccuracy, logLoss, perplexity, brier, entropy, calibrationError, confusion } =
      await judge(Float32Array.of(3, -2, 0), [0, 0, 0], { shape: [3, 1] });
    expect([accuracy, topKAccuracy, logLoss, perplexity, brier, entropy, calibrationError]).toEqual([
      1, 1, 0, 1, 0, 0, 0,
    ]);
    expect(Array.from(confusion ?? [])).toEqual([3]);
  });

  it.each([
    ['NaN', NaN],
    ['+Infinity', Infinity],
  ])('a row with %s is wrong, lies in no bin and makes logLoss, brier and entropy NaN', async (_, value) => {
    const result = await judge(
      [
        [value, 1, 0],
        [0, 2, 0],
      ],
      [0, 1],
    );
    expect([result.rows, result.accuracy, result.topKAccuracy]).toEqual([2, 0.5, 0.5]);
    expect([result.logLoss, result.perplexity, result.brier, result.entropy]).toEqual([NaN, NaN, NaN, NaN]);
    expect(result.bins.reduce((sum, { count }) => sum + count, 0)).toBe(1);
    expect(result.calibrationError).toBeCloseTo(1 - 1 / (1 + 2 * Math.exp(-2)), 7);
    expect(Array.from(result.confusion ?? [])).toEqual([0, 0, 0, 0, 1, 0, 0, 0, 0]);
  });

  it('a target of logit -Infinity: the log loss is infinite, all else finite', async () => {
    const { logLoss, perplexity, brier, entropy, accuracy } = await judge(
      [
        [0, -Infinity, 0],
        [0, 0, 0],
      ],
      [1, 0],
    );
    expect([logLoss, perplexity, accuracy]).toEqual([Infinity, Infinity, 0.5]);
    expect(brier).toBeCloseTo((1.5 + 2 / 3) / 2, 14);
    expect(entropy).toBeCloseTo((Math.log(2) + Math.log(3)) / 2, 14);
  });

  it('a target that a mask leaves out is the last of all classes', async () => {
    const options = { where: [1, 1, 0] };
    const ranks = await Promise.all([1, 2, 3].map((k) => judge([3, 2, 9], [2], { ...options, k })));
    expect(ranks.map(({ topKAccuracy }) => topKAccuracy)).toEqual([0, 0, 1]);
    expect(ranks[0].logLoss).toBe(Infinity);
    expect(ranks[0].brier).toBeLessThan(2);
  });

  it('a row that a mask leaves empty is wrong, and its probabilities are 0', async () => {
    const result = await judge([3, 2, 9], [2], { where: [0, 0, 0] });
    expect([result.accuracy, result.logLoss, result.brier, result.entropy]).toEqual([0, Infinity, 1, 0]);
    expect(result.bins[0]).toMatchObject({ count: 1, confidence: 0, accuracy: 0 });
    expect(Array.from(result.confusion ?? [])).toEqual(new Array(9).fill(0));
  });

  it('a confusion matrix is there up to 256 classes, or as asked', async () => {
    const of = async (classes: number, confusion?: boolean) =>
      (await judge(new Float32Array(classes), [0], confusion === undefined ? {} : { confusion })).confusion
        ?.length;
    expect(await Promise.all([of(256), of(257), of(257, true), of(2, false)])).toEqual([
      256 ** 2,
      undefined,
      257 ** 2,
      undefined,
    ]);
    const result = await judge([1, 2], [0], { confusion: false });
    expect('confusion' in result).toBe(false);
    await expect(judge(new Float32Array(16385), [0], { confusion: true })).rejects.toThrow(
      'Expected at most 16384 classes together with it for confusion but received true, and 16385',
    );
  });

  it('in batches and merged, the result is the same but for rounding', async () => {
    for (const [rows, classes] of [
      [997, 10],
      [70, 300],
    ]) {
      const { x, targets } = some(`batches ${rows}`, rows, classes);
      const whole = await judge(x, targets, { shape: [-1, classes] });
      for (const size of [1, 7, 64, 500]) {
        const [one, other] = [
          newEvaluation({ shape: [-1, classes] }),
          newEvaluation({ shape: [-1, classes] }),
        ];
        for (let r = 0; r < rows; r += size)
          await (r < rows / 3 ? one : other).add(
            x.subarray(r * classes, (r + size) * classes),
            targets.subarray(r, r + size),
          );
        const before = other.result();
        expectClose(one.merge(other).result(), whole, 1e-14);
        expect(other.result()).toEqual(before);
      }
    }
  });

  it.each(['float32', 'float64'] as const)(
    'what is said of a row does not depend on the rows beside it: %s',
    async (type) => {
      for (const classes of [1, 3, 10, 33, 64, 65, 200]) {
        const { x } = some(`alone ${classes}`, 21, classes, 12);
        // Neighbours with NaN, infinities and logits too large to reduce.
        [NaN, Infinity, 3e38, -Infinity].forEach((value, i) => {
          x[(2 * i + 1) * classes] = value;
        });
        const logits = elements(x, type) as Float32Array;
        const shape = [-1, classes];
        for (const r of [0, 2, 9, 16, 20]) {
          const row = logits.slice(r * classes, (r + 1) * classes);
          const target = (r * 5) % classes;
          const targets = new Int32Array(21).fill(none);
          targets[r] = target;
          const { rows, ignored: _, ...alone } = await judge(row, [target]);
          const wide = new Float64Array(21 * 70).fill(NaN);
          for (let i = 0; i < x.length && classes < 70; i++)
            wide[Math.floor(i / classes) * 70 + (i % classes)] = logits[i];
          const offsets = [0, 100, 100 + classes, 103 + classes];
          const ragged = new Float64Array(103 + classes).fill(7);
          ragged.set(row, 100);
          const others = [
            await judge(logits, targets, { shape }),
            await judge(elements(ragged, type), [none, target, none], { offsets, confusion: false }),
            ...(classes < 70
              ? [
                  await judge(elements(wide, type), targets, {
                    shape: [-1, 70],
                    lengths: new Uint32Array(21).fill(classes),
                    confusion: false,
                  }),
                ]
              : []),
          ];
          expect(rows).toBe(1);
          for (const other of others) {
            for (const name of ['logLoss', 'brier', 'entropy', 'calibrationError'] as const)
              expect([classes, r, name, other[name]]).toEqual([classes, r, name, alone[name]]);
          }
        }
      }
    },
  );

  it('many rows go through little memory, whole', async () => {
    const { x, targets } = some('parts', 20_000, 3);
    const expected = byDefinition(rowsOf(x, 3), targets);
    expectClose(await judge(x, targets, { shape: [-1, 3] }), expected, 1e-12);
    const offsets = Uint32Array.from({ length: 20_001 }, (_, r) => 3 * r);
    const where = new Uint8Array(60_000).fill(1);
    expectClose(await judge(x, targets, { offsets, where }), expected, 1e-12);
    const lengths = new Uint32Array(20_000).fill(3);
    const temperature = new Float64Array(20_000).fill(1);
    expectClose(await judge(x, targets, { shape: [-1, 3], lengths, where, temperature }), expected, 1e-12);
    const columns = Float64Array.from(
      { length: x.length },
      (_, i) => x[(i % 20_000) * 3 + Math.floor(i / 20_000)],
    );
    expectClose(await judge(columns, targets, { shape: [3, -1], axis: 0 }), expected, 1e-12);
    const slabs = Float64Array.from(
      { length: x.length },
      (_, i) => x[(Math.floor(i / 6) * 2 + (i % 2)) * 3 + (Math.floor(i / 2) % 3)],
    );
    expectClose(await judge(slabs, targets, { shape: [-1, 3, 2], axis: 1 }), expected, 1e-12);
  });

  it('few classes, and any number of rows up to the end of the memory', async () => {
    for (let classes = 1; classes <= 13; classes++) {
      for (let rows = 14; rows <= 35; rows++) {
        const { x, targets } = some(`few ${classes}`, rows, classes);
        for (const logits of [x, Float32Array.from(x)]) {
          const result = await judge(logits, targets, { shape: [-1, classes] });
          expectClose(result, byDefinition(rowsOf(logits, classes), targets), 2e-6);
        }
      }
    }
  });

  it('a lone class that a mask leaves out is wrong', async () => {
    const { rows, accuracy, bins } = await judge([1], [0], { where: [0] });
    expect({ rows, accuracy, first: bins[0].count }).toEqual({ rows: 1, accuracy: 0, first: 1 });
  });
});
