/** One operation over rows of classes. */
type Operation = (
  x: Float32Array | Float64Array,
  options: { readonly shape: readonly number[]; readonly temperature: number },
) => Float32Array | Float64Array;

/** What to test: the library's own operations or, in a test of this test, broken ones. */
export type Operations = Readonly<Record<'softmax' | 'logSoftmax' | 'logSumExp', Operation>>;

export interface ExactCase {
  readonly op: keyof Operations;
  /** Exact in float32 and float64 alike. */
  readonly x: readonly number[];
  readonly temperature?: number;
  readonly exact: readonly number[];
}

/** Results rounded once, from 80 decimal digits (test/cli.test.ts computes them again). */
export const EXACT_CASES: readonly ExactCase[] = [
  {
    op: 'softmax',
    x: [3.25, 1.25, 0.25, 0.75],
    exact: [0.789136836856084, 0.10679805732836276, 0.03928880964815375, 0.06477629616739951],
  },
  {
    op: 'softmax',
    x: [3.25, 1.25, 0.25, 0.75],
    temperature: 0.7,
    exact: [0.909659805578576, 0.052244145276849174, 0.01252036356361161, 0.0255756855809633],
  },
  // The last is subnormal in float32.
  {
    op: 'softmax',
    x: [0, -16, -100],
    exact: [0.9999998874648379, 1.12535162055095e-7, 3.720075557381483e-44],
  },
  {
    op: 'softmax',
    x: [10000, 9999, -10000, -Infinity],
    exact: [0.7310585786300049, 0.2689414213699951, 0, 0],
  },
  { op: 'softmax', x: [3, 3, 3], exact: [0.3333333333333333, 0.3333333333333333, 0.3333333333333333] },
  { op: 'softmax', x: [1, Number.NaN], exact: [Number.NaN, Number.NaN] },
  {
    op: 'logSoftmax',
    x: [3.25, 1.25, 0.25, 0.75],
    exact: [-0.23681554243081673, -2.2368155424308167, -3.2368155424308167, -2.7368155424308167],
  },
  { op: 'logSoftmax', x: [0, -40], exact: [-4.248354255291589e-18, -40] },
  {
    op: 'logSoftmax',
    x: [-5, -Infinity, -5],
    exact: [-Math.LN2, -Infinity, -Math.LN2],
  },
  { op: 'logSumExp', x: [3.25, 1.25, 0.25, 0.75], exact: [3.4868155424308167] },
  { op: 'logSumExp', x: [1000, 1000], exact: [1000.6931471805599] },
  { op: 'logSumExp', x: [-0.75, -1, -3], temperature: 0.5, exact: [-1.0190319155299832] },
];

const TYPES = [
  // Unit in the last place = 2^(exponent - fraction bits), and no smaller than the smallest subnormal.
  { name: 'float32', FloatArray: Float32Array, fractionBits: 23, leastExponent: -126, bound: 2 },
  { name: 'float64', FloatArray: Float64Array, fractionBits: 52, leastExponent: -1022, bound: 4 },
] as const;

/** Enough equal rows that the kernels for many rows do the work, with a remainder. */
const ROWS = 37;

export interface SelfTest {
  readonly cases: number;
  /** What went wrong, one line each. */
  readonly failures: readonly string[];
  /** The largest error, in units in the last place. */
  readonly worstUlp: { readonly float32: number; readonly float64: number };
}

export function selfTest(operations: Operations): SelfTest {
  const failures: string[] = [];
  const worstUlp = { float32: 0, float64: 0 };
  for (const { op, x, temperature = 1, exact } of EXACT_CASES) {
    for (const { name, FloatArray, fractionBits, leastExponent, bound } of TYPES) {
      const rows = new FloatArray(Array<readonly number[]>(ROWS).fill(x).flat());
      const received = operations[op](rows, { shape: [ROWS, x.length], temperature });
      for (const [i, value] of received.entries()) {
        const wanted = exact[i % exact.length];
        const error = ulpDistance(value, wanted, fractionBits, leastExponent);
        worstUlp[name] = Math.max(worstUlp[name], error);
        if (error <= bound) continue;
        failures.push(
          `${op} of ${name} [${x.join(', ')}] at temperature ${temperature}, row ${Math.floor(i / exact.length)}: ` +
            `expected ${wanted} but received ${value}, ${error.toPrecision(3)} ULP away`,
        );
        break;
      }
    }
  }
  return { cases: EXACT_CASES.length * TYPES.length, failures, worstUlp };
}

function ulpDistance(received: number, exact: number, fractionBits: number, leastExponent: number): number {
  if (Object.is(received, exact) || received === exact) return 0;
  if (!Number.isFinite(received) || !Number.isFinite(exact)) return Number.POSITIVE_INFINITY;
  const exponent = Math.max(leastExponent, Math.floor(Math.log2(Math.abs(exact))));
  return Math.abs(received - exact) / 2 ** (exponent - fractionBits);
}
