import { describe, expect, it } from 'vitest';
import { crossEntropy, logSumExp, prepare, softmax, topK } from '../../lib/index.js';
import { exactRow } from '../oracle.js';
import { budget, Random, seed } from '../random.js';
import { expectSameBits } from './same.js';
import { backendName } from './ways.js';

interface Given {
  readonly name: string;
  readonly isClass?: boolean;
  readonly labelSmoothing?: number;
  readonly isWeighted?: boolean;
}

const given: readonly Given[] = [
  { name: 'classes', isClass: true },
  { name: 'classes, weights', isClass: true, isWeighted: true },
  { name: 'classes, label smoothing', isClass: true, labelSmoothing: 0.1 },
  { name: 'classes, label smoothing, weights', isClass: true, labelSmoothing: 0.25, isWeighted: true },
  { name: 'distributions' },
  { name: 'distributions, weights', isWeighted: true },
  { name: 'distributions, label smoothing, weights', labelSmoothing: 0.1, isWeighted: true },
];

/** The parts of a sum that a float64 does not hold. */
function twoSum(a: number, b: number): [number, number] {
  const sum = a + b;
  const part = sum - a;
  return [sum, a - (sum - part) + (b - part)];
}
function twoProduct(a: number, b: number): [number, number] {
  const split = (x: number): [number, number] => {
    const t = x * (2 ** 27 + 1);
    const high = t - (t - x);
    return [high, x - high];
  };
  const [ah, al] = split(a);
  const [bh, bl] = split(b);
  return [a * b, ah * bh - a * b + ah * bl + al * bh + al * bl];
}

/** A·p - a for coefficients a, good to some 90 bits of A·p. */
function exactGradient(logits: ArrayLike<number>, a: readonly number[]): number[] {
  const { high, low, scale } = exactRow(logits).softmax;
  let [sum, rest] = [0, 0];
  for (const one of a) {
    const [next, lost] = twoSum(sum, one);
    sum = next;
    rest += lost;
  }
  return a.map((share, i) => {
    const down = 2 ** -scale[i];
    const [product, lost] = twoProduct(high[i] * down, sum);
    const [difference, left] = twoSum(product, -share);
    return difference + (left + lost + high[i] * down * rest + low[i] * down * sum);
  });
}

describe(`the gradient of crossEntropy on ${backendName} (seed ${seed})`, () => {
  const rows = Math.ceil(400 * budget);
  it.each(given)(
    'a row has the bits that it has alone: $name',
    ({ name, isClass, labelSmoothing, isWeighted }) => {
      const random = new Random(`alone ${name}`);
      for (const Numbers of [Float32Array, Float64Array]) {
        for (let classes = 1; classes <= 67; classes++) {
          const rows = 21;
          const x = random.fill(new Numbers(rows * classes), [1, 20, 200][random.below(3)]);
          for (const odd of [Number.NaN, Number.NEGATIVE_INFINITY, 3e38]) x[random.below(x.length)] = odd;
          const shares = softmax(random.fill(new Numbers(rows * classes), 9), { shape: [rows, classes] });
          const targets = isClass
            ? Int32Array.from({ length: rows }, (_, r) => (r === 5 ? -100 : random.below(classes)))
            : shares;
          const weights = Float64Array.from({ length: classes }, (_, c) =>
            c === 1 ? 0 : random.between(0, 25),
          );
          const temperature = [1, 0.7][random.below(2)];
          const options = {
            temperature,
            reduction: 'none',
            ...(labelSmoothing ? { labelSmoothing } : {}),
            ...(isWeighted ? { weights } : {}),
          } as const;
          const gradient = new Numbers(x.length);
          const losses = crossEntropy(x, targets, { ...options, shape: [rows, classes], gradient });
          for (let r = 0; r < rows; r++) {
            const [from, to] = [r * classes, (r + 1) * classes];
            const own = new Numbers(classes);
            const target = isClass ? targets.subarray(r, r + 1) : targets.subarray(from, to);
            const alone = { ...options, shape: [1, classes], gradient: own };
            const loss = crossEntropy(x.subarray(from, to), target, alone);
            const which = `row ${r} of ${classes} classes, T = ${temperature}, ${Numbers.name}`;
            expectSameBits(losses.subarray(r, r + 1), loss, which);
            expectSameBits(gradient.subarray(from, to), own, which);
          }
        }
      }
    },
  );

  it.each(given)('float32 is within 2 ULP of the exact one: $name', (options) => {
    const { name, isClass = false, labelSmoothing = 0, isWeighted = false } = options;
    const random = new Random(name);
    let worst = 0;
    for (const classes of [2, 4, 9, 37]) {
      const x = random.fill(new Float32Array(rows * classes), 3);
      // Near the probabilities, where p times their sum and the target cancel; and anywhere.
      const near = softmax(x, { shape: [rows, classes] });
      const q = Float32Array.from(x, (_, i) =>
        random.below(2) ? near[i] * (1 + random.between(-0.01, 0.01)) : random.next(),
      );
      const targets = Int32Array.from({ length: rows }, () => random.below(classes));
      const weights = Float64Array.from({ length: classes }, () => random.between(0, 25));
      const gradient = new Float32Array(x.length);
      crossEntropy(x, isClass ? targets : q, {
        shape: [rows, classes],
        reduction: 'sum',
        labelSmoothing,
        ...(isWeighted ? { weights } : {}),
        gradient,
      });
      for (let row = 0; row < rows; row++) {
        const logits = x.subarray(row * classes, (row + 1) * classes);
        const a = Array.from(logits, (_, i) => {
          const share = isClass ? Number(targets[row] === i) : q[row * classes + i];
          return (isWeighted ? weights[i] : 1) * ((1 - labelSmoothing) * share + labelSmoothing / classes);
        });
        exactGradient(logits, a).forEach((exact, i) => {
          const received = gradient[row * classes + i];
          const ulp = 2 ** (Math.max(Math.floor(Math.log2(Math.abs(exact))), -126) - 23);
          const error = Math.abs(received - exact) / ulp;
          worst = Math.max(worst, error);
          if (error > 2)
            expect.fail(
              `${error} ULP: ${received}, not ${exact}; logits ${logits.join()}, a ${a.join()}, class ${i}`,
            );
        });
      }
    }
    expect(worst).toBeGreaterThan(0);
  });

  it('keeps its digits where p times the sum of the targets is near a target', () => {
    const x = Float32Array.of(
      0.2225886583328247,
      -0.17498421669006348,
      -0.6088567972183228,
      -1.7984449863433838,
    );
    const q = Float32Array.of(0.18803364038467407, 0.5173947811126709, 0.78488689661026, 0.14117932319641113);
    const gradient = new Float32Array(4);
    crossEntropy(x, q, { gradient });
    expect(Math.abs(gradient[1] - exactGradient(x, [...q])[1])).toBeLessThan(2 ** -29);
  });
});

describe(`numbers that were wrong, on ${backendName}`, () => {
  it.each([Float32Array, Float64Array])('a shard far below its normalizer has no share: %o', (Kind) => {
    for (const logit of [-1e4, -1e10, -1e20, -1e30, -3e38]) {
      const x = Kind.of(logit, logit, logit);
      expect([...softmax(x, { logNormalizer: 5 })]).toEqual([0, 0, 0]);
      expect([...topK(x, 2, { logNormalizer: 5 }).probabilities]).toEqual([0, 0]);
    }
  });

  it.each([Float32Array, Float64Array])(
    'logSumExp at the least temperature is that of the maximum: %o',
    (Kind) => {
      const of = (...logits: number[]) => logSumExp(Kind.from(logits), { temperature: 5e-324 })[0];
      expect(of(1, 2)).toBe(Infinity);
      expect(of(3e38, 1)).toBe(Infinity);
      expect(of(-3, -4)).toBe(-Infinity);
      expect(of(-3e38, -3e38)).toBe(-Infinity);
      expect(of(0, 0, -1)).toBe(Kind.of(Math.LN2)[0]);
    },
  );

  it('distributions over no classes cost nothing', () => {
    for (const Kind of [Float32Array, Float64Array]) {
      const empty = new Kind(0);
      expect([...crossEntropy(empty, new Kind(0), { shape: [3, 0], reduction: 'none' })]).toEqual([0, 0, 0]);
      expect(
        crossEntropy(Kind.of(1, 2), Kind.of(0.5, 0.5), { offsets: [0, 0, 2], reduction: 'none' })[0],
      ).toBe(0);
    }
  });

  it('the target of a row without classes can only be ignored', () => {
    const x = new Float32Array(40);
    const offsets = [0, 0, 1, 40];
    const loss = crossEntropy(x, [-100, 0, 3], { offsets, reduction: 'none' });
    expect([...loss]).toEqual([0, 0, Math.fround(Math.log(39))]);
    expect(() => crossEntropy(x, [0, 0, 3], { offsets })).toThrow(RangeError);
    expect(() => crossEntropy(new Float32Array(0), [0, 0], { shape: [2, 0] })).toThrow(RangeError);
    expect(
      crossEntropy(new Float32Array(0), [7, 7], { shape: [2, 0], ignoreIndex: 7, reduction: 'sum' }),
    ).toBe(0);
  });

  it('is the same through prepare', () => {
    using call = prepare('crossEntropy', { shape: [40], offsets: [0, 0, 1, 40], reduction: 'sum' });
    expect([...call.targets]).toEqual([-100, 0, 0]);
    call.targets.set([-100, 0, 3]);
    expect(call.run()).toBeCloseTo(Math.log(39), 10);
    call.targets[0] = 0;
    expect(() => call.run()).toThrow(
      expect.objectContaining({ name: 'RangeError', code: 'ERR_OUT_OF_RANGE' }),
    );
    using none = prepare('crossEntropy', { shape: [3, 0], ignoreIndex: 5, reduction: 'sum' });
    expect(none.run()).toBe(0);
  });
});
