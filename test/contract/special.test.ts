/**
 * Every operation over special values (NaN, infinities, -0, subnormals, the largest numbers) with every option that
 * changes a number, against the exact answers: what holds on one backend holds on all.
 */
import { describe, expect, it } from 'vitest';
import { crossEntropy, logSoftmax, logSumExp, sample, softmax, topK } from '../../lib/index.js';
import { type Exact, type ExactRow, exactly, exactRow, ulpDistance } from '../oracle.js';
import { budget, Random, seed } from '../random.js';
import { limits } from './judge.js';
import { backendName } from './ways.js';

type Floats = Float32Array | Float64Array;
type Type = 'float32' | 'float64';

const noClass = 0xffffffff;
const arrays = { float32: Float32Array, float64: Float64Array };
const common = [0, -0, 1, -1, 0.1, -7.25, 88, -103, 710, -745, 1e20, -1e20, 1e30, -1e30];
const finite = {
  float32: [...common, 3e38, -3e38, 3.4028234e38, -3.4028234e38, 1e-45, -1e-45, 1.2e-38, 16777217],
  float64: [...common, 1.7e308, -1.7e308, 1e308, -1e300, 5e-324, -5e-324, 2.3e-308, 1e-300, 2 ** 53],
};
const temperatures = [1, 1, 1, 0.7, 13, 5e-324, 1e-310, 1e-40, 1e-20, 1e20, 1e40, 1e300, 1.7e308];

/** Rows of logits, and which of their classes take part. */
interface Case {
  readonly type: Type;
  readonly rows: number;
  readonly classes: number;
  readonly temperature: number;
  readonly x: Floats;
  readonly takesPart: (row: number, index: number) => boolean;
  /** The options that pose it. */
  readonly options: object;
  /** Where in `x`, and in results like it, a class lies. */
  readonly at: (row: number, index: number) => number;
}

function newCase(random: Random): Case {
  const type = random.below(2) ? 'float32' : 'float64';
  const rows = [1, 2, 3, 17, 40][random.below(5)];
  const classes = [1, 2, 3, 4, 7, 10, 16, 33, 70][random.below(9)];
  const temperature = temperatures[random.below(temperatures.length)];
  const isAcross = random.below(3) === 0;
  const at = (row: number, index: number) => (isAcross ? index * rows + row : row * classes + index);
  const x = new arrays[type](rows * classes);
  for (let row = 0; row < rows; row++) {
    const pool = [...finite[type]];
    // Ordinary numbers beside special ones; now and then what has no probabilities.
    for (let i = 0; i < 12; i++) pool.push(random.between(-9, 9));
    if (random.below(3) === 0) pool.push(-Infinity, -Infinity, -Infinity);
    if (random.below(12) === 0) pool.push(NaN);
    if (random.below(12) === 0) pool.push(Infinity);
    const few = Array.from({ length: 1 + random.below(6) }, () => pool[random.below(pool.length)]);
    for (let i = 0; i < classes; i++) x[at(row, i)] = few[random.below(few.length)];
  }
  const shape = isAcross ? [classes, rows] : [rows, classes];
  const options = { shape, axis: isAcross ? 0 : 1, temperature };
  const kind = random.below(3);
  if (kind === 1) {
    const where = Uint8Array.from(x, () => (random.below(4) === 0 ? 0 : 1));
    const takesPart = (row: number, index: number) => where[at(row, index)] === 1;
    return { type, rows, classes, temperature, x, at, takesPart, options: { ...options, where } };
  }
  if (kind === 2) {
    const lengths = Uint32Array.from({ length: rows }, () => random.below(classes + 1));
    const takesPart = (row: number, index: number) => index < lengths[row];
    return { type, rows, classes, temperature, x, at, takesPart, options: { ...options, lengths } };
  }
  return { type, rows, classes, temperature, x, at, takesPart: () => true, options };
}

/** What a row is, and its exact answers where it has any. */
interface Row {
  readonly part: readonly number[];
  readonly logits: readonly number[];
  readonly kind: 'nothing' | 'NaN' | '+Infinity' | '-Infinity' | 'ordinary';
  readonly exact: ExactRow;
}

function rowOf({ x, at, takesPart, classes, temperature }: Case, row: number): Row {
  const part = Array.from({ length: classes }, (_, i) => i).filter((i) => takesPart(row, i));
  const logits = part.map((i) => x[at(row, i)]);
  const max = Math.max(...logits);
  const kind =
    part.length === 0
      ? 'nothing'
      : Number.isNaN(max)
        ? 'NaN'
        : max === Infinity
          ? '+Infinity'
          : max === -Infinity
            ? '-Infinity'
            : 'ordinary';
  return { part, logits, kind, exact: exactRow(kind === 'ordinary' ? logits : [0], temperature) };
}

function show(posed: Case, row: number, what: string): string {
  const logits = Array.from({ length: posed.classes }, (_, i) => posed.x[posed.at(row, i)]);
  const part = logits.map((_, i) => (posed.takesPart(row, i) ? 1 : 0));
  return [
    `${what}: ${posed.type} on ${backendName}, seed ${seed}, temperature ${posed.temperature}`,
    `${posed.rows} rows of ${posed.classes}, row ${row}: ${logits.join(', ')}`,
    `take part: ${part.join('')}`,
  ].join('\n');
}

/** Within the promise: so many ULP; of sums that cancel, in parts of what cancelled. */
function isGood(received: number, exact: Exact, i: number, type: Type, cancelled = 0): boolean {
  if (ulpDistance(received, exact, i, type) <= limits[type]) return true;
  return Math.abs(received - exact.high[i] * 2 ** -exact.scale[i]) <= 1e-15 * Math.max(1, cancelled);
}

const cases = Math.ceil(300 * budget);

/** Hands every row of so many cases to `check`. */
function forEachCase(name: string, check: (posed: Case, random: Random) => void): void {
  const random = new Random(name);
  for (let i = 0; i < cases; i++) check(newCase(random), random);
}

function same(a: number, b: number): boolean {
  return Object.is(a, b);
}

describe(`special values on ${backendName} (seed ${seed})`, () => {
  it.each(['softmax', 'logSoftmax'] as const)('%s', (name) => {
    forEachCase(name, (posed) => {
      const { rows, classes, type, at } = posed;
      const nothing = name === 'softmax' ? 0 : -Infinity;
      const results = (name === 'softmax' ? softmax : logSoftmax)(posed.x, posed.options) as Floats;
      for (let row = 0; row < rows; row++) {
        const { part, kind, exact } = rowOf(posed, row);
        for (let i = 0, j = 0; i < classes; i++) {
          const received = results[at(row, i)];
          if (part[j] !== i) {
            if (!same(received, nothing))
              expect.fail(show(posed, row, `masked class ${i} gives ${received}`));
            continue;
          }
          const good =
            kind === 'ordinary' ? isGoodRatio(received, exact[name], j, type) : Number.isNaN(received);
          if (!good) expect.fail(show(posed, row, `class ${i} gives ${received}`));
          j++;
        }
      }
    });
  });

  it('logSumExp', () => {
    forEachCase('logSumExp', (posed) => {
      const results = logSumExp(posed.x, posed.options) as Floats;
      for (let row = 0; row < posed.rows; row++) {
        const { kind, logits, exact } = rowOf(posed, row);
        const received = results[row];
        const largest = logits.reduce((most, v) => Math.max(most, Math.abs(v) / posed.temperature), 0);
        const good = {
          nothing: () => received === -Infinity,
          NaN: () => Number.isNaN(received),
          '+Infinity': () => received === Infinity,
          '-Infinity': () => received === -Infinity,
          ordinary: () => isGood(received, exact.logSumExp, 0, posed.type, largest),
        }[kind]();
        if (!good) expect.fail(show(posed, row, `gives ${received}, not ${exact.logSumExp.high[0]}`));
      }
    });
  });

  it('topK', () => {
    forEachCase('topK', (posed, random) => {
      const { rows, classes, at } = posed;
      const k = 1 + random.below(classes);
      const isAcross = at(0, 1) !== 1 && classes > 1;
      const place = (row: number, i: number) => (isAcross ? i * rows + row : row * k + i);
      const all = softmax(posed.x, posed.options) as Floats;
      const { probabilities, indices } = topK(posed.x, k, posed.options) as unknown as {
        probabilities: Floats;
        indices: Uint32Array;
      };
      for (let row = 0; row < rows; row++) {
        const { part, logits } = rowOf(posed, row);
        const order = part.map((_, j) => j).sort((a, b) => precedence(logits[a], logits[b]) || a - b);
        for (let i = 0; i < k; i++) {
          const index = i < order.length ? part[order[i]] : noClass;
          const p = index === noClass ? 0 : all[at(row, index)];
          const [class_, probability] = [indices[place(row, i)], probabilities[place(row, i)]];
          if (class_ !== index || !same(probability, p))
            expect.fail(show(posed, row, `place ${i} of ${k}: ${class_} ${probability}, not ${index} ${p}`));
        }
      }
    });
  });

  it('sample', () => {
    forEachCase('sample', (posed, random) => {
      const { rows, x, at } = posed;
      const isGreedy = random.below(6) === 0;
      const topK = random.below(4) === 0 ? 1 : 0;
      const count = 3;
      const logProbabilities = new Float64Array(rows * count);
      const options = { ...posed.options, count, seed: random.below(1e6), logProbabilities };
      const filters = { topK, ...(isGreedy ? { temperature: 0 } : {}) };
      const draws = sample(x, { ...options, ...filters }) as Uint32Array;
      for (let row = 0; row < rows; row++) {
        const { part, logits, kind, exact } = rowOf(posed, row);
        for (let i = 0; i < count; i++) {
          const [drawn, log] = [draws[row * count + i], logProbabilities[row * count + i]];
          const fail = (): never => expect.fail(show(posed, row, `draw ${drawn}, log ${log}, topK ${topK}`));
          if (kind !== 'ordinary') {
            if (drawn !== noClass || !Number.isNaN(log)) fail();
            continue;
          }
          const j = part.indexOf(drawn);
          if (j < 0) fail();
          if (isGreedy || topK === 1) {
            const first = logits.indexOf(Math.max(...logits));
            if (j !== first || log !== 0) fail();
          } else if (!(exact.softmax.high[j] > 0) || !isGoodRatio(log, exact.logSoftmax, j, 'float64')) {
            fail();
          }
        }
      }
      expect(at(0, 0)).toBe(0);
    });
  });

  it('softmax of a shard', () => {
    const normalizers = [0, -3, 5, 30, 1000, -1000, 1e30, 1e300, -1e300, NaN, Infinity, -Infinity];
    forEachCase('shard', (posed, random) => {
      if (random.below(3) > 0) return;
      const { type, rows, classes, at, temperature } = posed;
      const logNormalizer = normalizers[random.below(normalizers.length)];
      const results = softmax(posed.x, { ...posed.options, logNormalizer }) as Floats;
      for (let row = 0; row < rows; row++) {
        const { part, logits, kind } = rowOf(posed, row);
        const isWrong = kind === 'NaN' || kind === '+Infinity' || !Number.isFinite(logNormalizer);
        const max = Math.max(...logits);
        // A log-sum-exp of no row that this one belongs to: told by NaN from 2^40 on.
        const lead = (max / temperature - logNormalizer) / Math.LN2;
        if (!isWrong && Math.abs(lead - 40.5) < 1e-3) continue;
        for (let i = 0, j = 0; i < classes; i++) {
          const received = results[at(row, i)];
          const fail = (): never =>
            expect.fail(show(posed, row, `logNormalizer ${logNormalizer}, class ${i} gives ${received}`));
          if (part[j] !== i) {
            if (!same(received, 0)) fail();
            continue;
          }
          const logit = logits[j++];
          if (isWrong || lead > 40.5) {
            if (!Number.isNaN(received)) fail();
          } else if (logit === -Infinity) {
            if (!same(received, 0)) fail();
          } else {
            const log = exactly(logit).div(exactly(temperature)).minus(exactly(logNormalizer));
            if (log.lt(-800)) {
              if (!same(received, 0)) fail();
            } else if (!isWithin(received, log.exp(), type)) fail();
          }
        }
      }
    });
  });

  it('crossEntropy of classes, with its gradient', () => {
    forEachCase('crossEntropy', (posed, random) => {
      const { type, rows, classes, at, temperature } = posed;
      const targets = Int32Array.from({ length: rows }, () => random.below(classes));
      const gradient = new arrays[type](posed.x.length);
      const losses = crossEntropy(posed.x, targets, {
        ...posed.options,
        reduction: 'none',
        gradient,
      }) as unknown as Floats;
      for (let row = 0; row < rows; row++) {
        const { part, kind, exact } = rowOf(posed, row);
        const target = part.indexOf(targets[row]);
        const loss = losses[row];
        const fail = (what: string): never =>
          expect.fail(show(posed, row, `target ${targets[row]}: ${what}`));
        if (kind === 'nothing') {
          if (loss !== Infinity) fail(`loss ${loss}`);
        } else if (kind !== 'ordinary') {
          if (!Number.isNaN(loss)) fail(`loss ${loss}`);
        } else if (target < 0) {
          if (loss !== Infinity) fail(`loss ${loss}`);
        } else {
          const { high, low, scale } = exact.logSoftmax;
          const negated = { high: high.map((v) => 0 - v), low: low.map((v) => 0 - v), scale };
          if (!isGoodRatio(loss, negated, target, type)) fail(`loss ${loss}, not ${negated.high[target]}`);
        }
        for (let i = 0, j = 0; i < classes; i++) {
          const received = gradient[at(row, i)];
          if (part[j] !== i) {
            if (!same(received, 0)) fail(`gradient of masked ${i} is ${received}`);
            continue;
          }
          const at_ = j++;
          if (kind !== 'ordinary') {
            if (!Number.isNaN(received)) fail(`gradient of ${i} is ${received}`);
            continue;
          }
          // p and 1 - p, over the temperature, which may take them out of the range.
          const p = exact.softmax.high[at_] * 2 ** -exact.softmax.scale[at_];
          let others = p < 0.5 ? 1 - p : 0;
          exact.softmax.high.forEach((v, m) => {
            if (p >= 0.5 && m !== at_) others += v * 2 ** -exact.softmax.scale[m];
          });
          const expected = (at_ === target ? 0 - others : p) / temperature;
          const rounded = type === 'float32' ? Math.fround(expected) : expected;
          const near =
            Math.abs(received - expected) <= Math.abs(expected) * 2 ** (type === 'float32' ? -22 : -50);
          const least = type === 'float32' ? 2 ** -148 : 2 ** -1073;
          // Where p is subnormal before the division, its digits are gone.
          const slack = (type === 'float32' ? 2 ** -148 : 2 ** -1073) / temperature;
          if (received !== rounded && !near && !(Math.abs(received - expected) <= Math.max(least, slack)))
            fail(`gradient of ${i} is ${received}, not ${expected}`);
        }
      }
    });
  });

  it('crossEntropy of distributions: the loss is the mean of those of the classes', () => {
    forEachCase('distributions', (posed) => {
      const { type, rows, classes, at } = posed;
      const q = new arrays[type](posed.x.length).fill(0.25);
      const gradient = new arrays[type](posed.x.length);
      const losses = crossEntropy(posed.x, q, {
        ...posed.options,
        reduction: 'none',
        gradient,
      }) as unknown as Floats;
      for (let row = 0; row < rows; row++) {
        const { part, kind, exact } = rowOf(posed, row);
        const fail = (what: string): never => expect.fail(show(posed, row, what));
        const { high, scale } = exact.logSoftmax;
        const expected =
          kind === 'nothing'
            ? 0
            : kind === 'ordinary'
              ? high.reduce((sum, v, i) => sum - 0.25 * v * 2 ** -scale[i], 0)
              : NaN;
        const rounded = type === 'float32' ? Math.fround(expected) : expected;
        const error = Math.abs(losses[row] / expected - 1);
        const good = same(losses[row], rounded) || error < 4e-7 || losses[row] === expected;
        if (!good) fail(`loss ${losses[row]}, not ${expected}`);
        for (let i = 0; i < classes; i++) {
          const g = gradient[at(row, i)];
          if (!part.includes(i) ? !same(g, 0) : Number.isNaN(g) !== (kind !== 'ordinary'))
            fail(`gradient of ${i} is ${g}`);
        }
      }
    });
  });
});

/** As isGood, but where nothing cancels. */
function isGoodRatio(received: number, exact: Exact, i: number, type: Type): boolean {
  if (exact.high[i] === -Infinity || exact.high[i] === Infinity) return received === exact.high[i];
  return ulpDistance(received, exact, i, type) <= limits[type];
}

function isWithin(received: number, exact: ReturnType<typeof exactly>, type: Type): boolean {
  const [digits, least] = type === 'float32' ? [24, 2 ** -149] : [53, 2 ** -1074];
  const value = exact.toNumber();
  if (type === 'float32' && Math.fround(value) === received) return true;
  const ulp = Math.max(least, 2 ** (Math.floor(Math.log2(value)) + 1 - digits));
  return Math.abs(received - value) <= limits[type] * ulp;
}

/** NaN first, then larger before smaller. */
function precedence(a: number, b: number): number {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(b)) - Number(Number.isNaN(a));
  return a === b ? 0 : a > b ? -1 : 1;
}

describe(`The logarithm of a probability that rounds to 1, on ${backendName}`, () => {
  it.each([2, 3, 16, 17, 40])(
    'of %i classes is 0 and not -0 up to half the least float32, and then a number',
    (classes) => {
      const above = 2 ** -149;
      for (const distance of [103.9, 104, 104.1, 104.3, 104.6, 105]) {
        const x = new Float32Array(classes).fill(-500);
        x[0] = 0;
        x[1] = -Math.fround(distance);
        const exact = Math.exp(x[1]);
        const [log] = logSoftmax(x);
        if (exact <= above / 2) expect(log).toBe(0);
        else if (exact > above / 1.9) expect(log).toBe(-above);
      }
    },
  );
});
