/** What other projects' suites expect, of every backend. */
import { describe, expect, it } from 'vitest';
import { crossEntropy, logSoftmax, logSumExp, softmax, topK } from '../../lib/index.js';
import { logitsOfSeed0, publishedLosses } from '../conformance/crossEntropy.js';
import { type Published, published, publishedTopK, webnnTolerance } from '../conformance/published.js';
import { exactRow, ulpDistance } from '../oracle.js';
import { Random } from '../random.js';
import { backendName } from './ways.js';

type Operation = (
  x: Float32Array | Float64Array,
  options: Pick<Published, 'shape' | 'axis'>,
) => Float32Array | Float64Array;

const functions: { readonly [op in Published['op']]: Operation } = { softmax, logSoftmax, logSumExp };

function expectNear(
  received: Float32Array | Float64Array,
  { expected, tolerance }: Published,
  least: number,
) {
  expect(received).toHaveLength(expected.length);
  expected.forEach((wanted, i) => {
    const near = Math.abs(received[i] - wanted) <= Math.max(tolerance, least) * Math.abs(wanted);
    expect(near || Object.is(received[i], wanted), `${received[i]} for ${wanted}, at ${i}`).toBe(true);
  });
}

for (const [suite, cases] of Object.entries(published)) {
  describe(`The published numbers of ${suite}, on ${backendName}`, () => {
    it.each(cases.map((one) => [`${one.op}: ${one.name}`, one] as const))('%s', (_, one) => {
      const { op, x, shape, axis } = one;
      expectNear(functions[op](Float64Array.from(x), { shape, axis }), one, 0);
      // Some of the logits and results of SciPy, in float64, are not numbers of float32.
      const fits = [...x, ...one.expected].every((v) => v === 0 || !(Math.abs(v) < 1e-37));
      if (fits) expectNear(functions[op](Float32Array.from(x), { shape, axis }), one, 2 ** -22);
    });
  });
}

describe(`The published losses of the ONNX backend tests, on ${backendName}`, () => {
  it.each(publishedLosses)('SoftmaxCrossEntropyLoss: $name', (one) => {
    const { shape, targets, reduction = 'mean', weights, ignoreIndex, expected } = one;
    const [rows, , ...rest] = shape;
    const x = Float32Array.from(logitsOfSeed0.slice(0, targets.length * shape[1]));
    const options = {
      ...{ shape, axis: 1, reduction, ignoreIndex },
      weights: weights && Array.from(Float32Array.from(weights)),
    };
    const labels = { data: BigInt64Array.from(targets, BigInt), dims: [rows, ...rest] };
    for (const logits of [x, Float64Array.from(x)]) {
      const loss = crossEntropy(logits, labels, options);
      const received = typeof loss === 'number' ? [loss] : Array.from(loss);
      expect(received).toHaveLength(expected.length);
      const tolerance = logits === x ? 2 ** -23 : 1e-14;
      received.forEach((value, i) => {
        expect(Math.abs(value / expected[i] - 1), `${value} for ${expected[i]}`).toBeLessThan(tolerance);
      });
    }
  });
});

describe(`Other projects' rules, on ${backendName}`, () => {
  it.each(publishedTopK)('topK lists the classes that $name lists', ({ x, shape, k, indices }) => {
    for (const Numbers of [Float32Array, Float64Array]) {
      expect([...topK(Numbers.from(x), k, { shape }).indices]).toEqual(indices);
    }
  });

  it("softmax stays within WebNN's tolerance, which a bound of 2 ULP implies", () => {
    for (const classes of [1, 2, 24]) {
      const x = new Random(`webnn ${classes}`).fill(new Float32Array(classes), 10);
      const exact = exactRow(Float64Array.from(x), 1).softmax;
      softmax(x).forEach((p, i) => {
        expect(ulpDistance(p, exact, i, 'float32')).toBeLessThanOrEqual(Math.min(2, webnnTolerance(classes)));
      });
    }
  });
});
