import { describe, expect, it } from 'vitest';
import type { ElementType } from '../../lib/backends/problem.js';
import { backend, classify, logSoftmax, logSumExp, softmax, topK } from '../../lib/index.js';
import { type Elements, elements, elementTypes, numbers } from '../elements.js';
import { backendName, ways } from './ways.js';

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

it('the backend under test is the one that was asked for', () => {
  expect(backend.isa).toBe(process.env.SIMD_SOFTMAX_BACKEND);
});

describe(`The canonical example on ${backendName}`, () => {
  it('gives dog 0.775, cat 0.116, horse 0.039, cheetah 0.070', () => {
    const logits = [3.2, 1.3, 0.2, 0.8];
    const labels = ['dog', 'cat', 'horse', 'cheetah'];
    expect(softmax(logits).map((p) => p.toFixed(3))).toEqual(['0.775', '0.116', '0.039', '0.070']);
    const ranked = classify(logits, { labels }).map(({ label, score }) => `${label} ${score.toFixed(3)}`);
    expect(ranked).toEqual(['dog 0.775', 'cat 0.116', 'cheetah 0.070', 'horse 0.039']);
  });

  it('keeps what a naive ln(1 + small) would lose: logSoftmax([0, -40])[0] is -4.248354255291589e-18', () => {
    expect(logSoftmax([0, -40])).toEqual([-4.248354255291589e-18, -40]);
    expect(logSumExp(Float64Array.of(0, -40))[0]).toBe(4.248354255291589e-18);
  });
});

/** A row as it stands beside two plain rows, which must come out as they do alone. */
interface Case {
  readonly row: readonly number[];
  readonly softmax: readonly number[];
  readonly logSoftmax: readonly number[];
  readonly logSumExp: number;
  readonly where?: readonly number[];
}

const log2 = Math.LN2;
const table: Record<string, Case> = {
  'a row with a NaN is all NaN': {
    row: [1, nan, 3],
    softmax: [nan, nan, nan],
    logSoftmax: [nan, nan, nan],
    logSumExp: nan,
  },
  'a row with +Infinity is all NaN, its logSumExp +Infinity': {
    row: [1, inf, 3],
    softmax: [nan, nan, nan],
    logSoftmax: [nan, nan, nan],
    logSumExp: inf,
  },
  'a row with both +Infinity and NaN is all NaN': {
    row: [nan, inf, 3],
    softmax: [nan, nan, nan],
    logSoftmax: [nan, nan, nan],
    logSumExp: nan,
  },
  'a row with +Infinity and -Infinity is all NaN': {
    row: [-inf, inf, 3],
    softmax: [nan, nan, nan],
    logSoftmax: [nan, nan, nan],
    logSumExp: inf,
  },
  'some -Infinity get exactly 0': {
    row: [-inf, 1, 1],
    softmax: [0, 0.5, 0.5],
    logSoftmax: [-inf, -log2, -log2],
    logSumExp: 1 + log2,
  },
  'a row all -Infinity is NaN, its logSumExp -Infinity': {
    row: [-inf, -inf, -inf],
    softmax: [nan, nan, nan],
    logSoftmax: [nan, nan, nan],
    logSumExp: -inf,
  },
  'positions masked out get exactly 0, whatever they hold': {
    row: [nan, 2, inf],
    where: [0, 1, 0],
    softmax: [0, 1, 0],
    logSoftmax: [-inf, 0, -inf],
    logSumExp: 2,
  },
  'positions masked out of a row with a NaN are 0 still': {
    row: [nan, 2, 5],
    where: [1, 1, 0],
    softmax: [nan, nan, 0],
    logSoftmax: [nan, nan, -inf],
    logSumExp: nan,
  },
  'a row with nothing left by a mask is zeros': {
    row: [nan, 2, inf],
    where: [0, 0, 0],
    softmax: [0, 0, 0],
    logSoftmax: [-inf, -inf, -inf],
    logSumExp: -inf,
  },
  'a row with -Infinity alone left by a mask is NaN where it takes part': {
    row: [-inf, 2, 3],
    where: [1, 0, 0],
    softmax: [nan, 0, 0],
    logSoftmax: [nan, -inf, -inf],
    logSumExp: -inf,
  },
  'equal logits get equal results': {
    row: [7, 7, 7],
    softmax: [1 / 3, 1 / 3, 1 / 3],
    logSoftmax: [-Math.log(3), -Math.log(3), -Math.log(3)],
    logSumExp: 7 + Math.log(3),
  },
};

function expectRow(received: ArrayLike<number>, expected: readonly number[], type: ElementType): void {
  const relative = { float32: 2 ** -23, float64: 2 ** -51, float16: 2 ** -10, bfloat16: 2 ** -7 }[type];
  for (let i = 0; i < expected.length; i++) {
    const at = `class ${i} of ${Array.from(received)}`;
    if (Number.isFinite(expected[i]) && expected[i] !== 0) {
      expect(Math.abs(received[i] / expected[i] - 1), at).toBeLessThanOrEqual(relative);
    } else expect(received[i], at).toBe(expected[i]);
  }
}

for (const [way, api] of ways) {
  for (const type of elementTypes) {
    describe(`Semantics of ${type} on ${backendName}, ${way}`, () => {
      const dtype = { dtype: type };
      const reduced = type === 'float64' ? 'float64' : 'float32';

      for (const [promise, { row, where, ...expected }] of Object.entries(table)) {
        it(promise, async () => {
          const plain = [1, 3, 2];
          const x = elements([...plain, ...row, ...plain], type);
          const mask = where && Uint8Array.from([1, 1, 1, ...where, 1, 1, 1]);
          const options = { shape: [3, 3], where: mask, ...dtype };
          const alone = elements(plain, type);
          for (const op of ['softmax', 'logSoftmax'] as const) {
            const received = numbers(await api[op](x, options), type);
            expectRow(received.subarray(3, 6), expected[op], type);
            const neighbour = numbers(await api[op](alone, dtype), type);
            expect(received.subarray(0, 3)).toEqual(neighbour);
            expect(received.subarray(6, 9)).toEqual(neighbour);
          }
          const sums = numbers(await api.logSumExp(x, options), reduced);
          expectRow(sums.subarray(1, 2), [expected.logSumExp], reduced);
        });
      }

      it('lengths mask like where: padding is 0 (log: -Infinity), whatever it holds', async () => {
        const x = elements([1, 1, nan, nan, inf, nan, 5, nan, nan], type);
        const options = { shape: [3, 3], lengths: [2, 0, 1], ...dtype };
        expectRow(numbers(await api.softmax(x, options), type), [0.5, 0.5, 0, 0, 0, 0, 1, 0, 0], type);
        const logs = [-log2, -log2, -inf, -inf, -inf, -inf, 0, -inf, -inf];
        expectRow(numbers(await api.logSoftmax(x, options), type), logs, type);
        expectRow(numbers(await api.logSumExp(x, options), reduced), [1 + log2, -inf, 5], reduced);
      });

      it('a row of length 1 gives 1, its log 0', async () => {
        for (const value of [-3, 0, 5, 60000]) {
          const x = elements([value], type);
          expect([...numbers(await api.softmax(x, dtype), type)]).toEqual([1]);
          expect([...numbers(await api.logSoftmax(x, dtype), type)]).toEqual([0]);
        }
      });

      it('a class above others that come to nothing has 1, in rows of any length and batch', async () => {
        for (let n = 0; n < 200; n++) {
          const [value, low] = [n / 7 - 14, n % 2 === 0 ? -inf : -5e4];
          const length = [1, 2, 3, 8, 17, 40, 150][n % 7];
          const rows = [1, 3, 40][n % 3];
          const x = elements(
            Array.from({ length: rows * length }, (_, i) => (i % length === n % length ? value : low)),
            type,
          );
          const ones = Array.from({ length: rows * length }, (_, i) => Number(i % length === n % length));
          const shape = [rows, length];
          expect([...numbers(await api.softmax(x, { shape, ...dtype }), type)]).toEqual(ones);
          const { probabilities } = await api.topK(x, 1, { shape, ...dtype });
          expect([...numbers(probabilities, type)]).toEqual(new Array(rows).fill(1));
        }
      });

      it('zero rows, and rows of length 0, give empty output; their logSumExp is -Infinity', async () => {
        const none = elements([], type);
        for (const shape of [[0], [0, 4], [3, 0], [2 ** 40, 0], [0, 0]]) {
          expect(await api.softmax(none, { shape, ...dtype })).toHaveLength(0);
          expect(await api.logSoftmax(none, { shape, ...dtype })).toHaveLength(0);
        }
        expect([...numbers(await api.logSumExp(none, dtype), reduced)]).toEqual([-inf]);
        expect([...numbers(await api.logSumExp(none, { shape: [3, 0], ...dtype }), reduced)]).toEqual([
          -inf,
          -inf,
          -inf,
        ]);
        expect(await api.logSumExp(none, { shape: [0, 4], ...dtype })).toHaveLength(0);
      });

      it('huge finite logits give neither NaN nor Infinity', async () => {
        const huge = { float32: 3e38, float64: 1.7e308, float16: 65504, bfloat16: 3e38 }[type];
        const x = elements([huge, -huge, 0, huge], type);
        expect([...numbers(await api.softmax(x, dtype), type)]).toEqual([0.5, 0, 0, 0.5]);
        const [first, , , last] = numbers(await api.logSoftmax(x, dtype), type);
        expectRow([first, last], [-log2, -log2], type);
        const [sum] = numbers(await api.logSumExp(x, dtype), reduced);
        expectRow([sum], [numbers(x, type)[0] + log2], reduced);
      });

      it('equal logits get exactly equal results, wherever they stand', async () => {
        for (const length of [5, 16, 37, 300]) {
          const x = elements(
            Array.from({ length }, (_, i) => (i % 3 === 0 ? 1.5 : i / 7)),
            type,
          );
          for (const op of ['softmax', 'logSoftmax'] as const) {
            const received = numbers(await api[op](x, { temperature: 0.7, ...dtype }), type);
            for (let i = 3; i < length; i += 3) expect(received[i]).toBe(received[0]);
          }
        }
      });

      it('topK puts the lower index first among equals', async () => {
        const x = elements([2, 5, 5, 1, 5, 2], type);
        const { indices } = await api.topK(x, 6, dtype);
        expect([...indices]).toEqual([1, 2, 4, 0, 5, 3]);
      });

      it('topK puts NaN first and makes all probabilities of the row NaN', async () => {
        const x = elements([2, nan, 5, nan, inf, 2, 5, 1, 0, 0], type);
        const { indices, probabilities } = await api.topK(x, 4, { shape: [2, 5], ...dtype });
        expect([...indices]).toEqual([1, 3, 4, 2, 1, 0, 2, 3]);
        expect([...numbers(probabilities, type).subarray(0, 4)]).toEqual([nan, nan, nan, nan]);
      });

      it('topK never lists what is masked out; missing classes have probability 0 and no index', async () => {
        const x = elements([9, 1, -inf, 2], type);
        const where = Uint8Array.of(0, 1, 1, 0);
        const { indices, probabilities } = await api.topK(x, 4, { where, ...dtype });
        expect([...indices]).toEqual([1, 2, 0xffffffff, 0xffffffff]);
        expect([...numbers(probabilities, type)]).toEqual([1, 0, 0, 0]);
      });

      it('a NaN is written as the canonical one', async () => {
        const canonical = {
          float32: 0x7fc00000,
          float64: 0x7ff8000000000000n,
          float16: 0x7e00,
          bfloat16: 0x7fc0,
        };
        const x = elements([nan, 1], type);
        for (const op of ['softmax', 'logSoftmax'] as const) {
          const out = (await api[op](x, dtype)) as Elements;
          const read =
            type === 'float32'
              ? new Uint32Array(out.buffer, out.byteOffset, 2)
              : type === 'float64'
                ? new BigUint64Array(out.buffer, out.byteOffset, 2)
                : out;
          expect([...read]).toEqual([canonical[type], canonical[type]]);
        }
      });
    });
  }
}

describe(`Results on ${backendName}`, () => {
  it('of topK are the bits of softmax', () => {
    const x = Float32Array.from({ length: 100 }, (_, i) => Math.sin(i) * 20);
    const all = softmax(x, { temperature: 0.9 });
    const { probabilities, indices } = topK(x, 100, { temperature: 0.9 });
    expect(probabilities).toEqual(Float32Array.from(indices, (i) => all[i]));
    expect(probabilities).toEqual(Float32Array.from(all).sort().reverse());
  });
});
