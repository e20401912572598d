/** Numbers that other projects' test suites publish, each table with its source. */

export interface Published {
  readonly op: 'softmax' | 'logSoftmax' | 'logSumExp';
  readonly name: string;
  readonly x: readonly number[];
  readonly shape: readonly number[];
  readonly axis?: number | readonly number[] | undefined;
  readonly expected: readonly number[];
  /** Relative, as the suite has it or as many digits as it prints. */
  readonly tolerance: number;
}

/** The larger digits of these are printed in comments of the ONNX backend tests, in float32. */
const printed = 1e-6;
const oneToThree = [0.09003058, 0.24472848, 0.66524094];
const zeroToThree = [0.032058604, 0.08714432, 0.23688284, 0.6439143];
const logsOfZeroToThree = [-3.4401896, -2.4401896, -1.4401896, -0.44018966];
const large = [0, 1, 2, 3, 10000, 10001, 10002, 10003];
const pairs = [5, 1, 20, 2, 30, 1, 40, 2, 55, 1, 60, 2];
const scipyWide = [-25, 0, 25, 50, 1, 325, 749, 750];
const scipyWideExpected = [
  2.678636961770877e-33, 1.9287498479371314e-22, 1.3887943864771144e-11, 0.999999999986112, 0,
  1.9444526359919372e-185, 0.2689414213699951, 0.7310585786300048,
];

/** onnx/onnx, onnx/backend/test/case/node: softmax.py, logsoftmax.py, reduce_log_sum_exp.py. */
const onnx: readonly Published[] = [
  {
    op: 'softmax',
    name: 'softmax_example',
    x: [-1, 0, 1],
    shape: [1, 3],
    expected: oneToThree,
    tolerance: printed,
  },
  {
    op: 'softmax',
    name: 'softmax_large_number',
    x: large,
    shape: [2, 4],
    expected: [...zeroToThree, ...zeroToThree],
    tolerance: printed,
  },
  {
    op: 'logSoftmax',
    name: 'logsoftmax_example_1',
    x: [-1, 0, 1],
    shape: [1, 3],
    expected: [-2.4076061, -1.407606, -0.407606],
    tolerance: printed,
  },
  {
    op: 'logSoftmax',
    name: 'logsoftmax_large_number',
    x: large,
    shape: [2, 4],
    expected: [...logsOfZeroToThree, ...logsOfZeroToThree],
    tolerance: printed,
  },
  {
    op: 'logSumExp',
    name: 'reduce_log_sum_exp_negative_axes_keepdims_example',
    x: pairs,
    shape: [3, 2, 2],
    axis: -2,
    expected: [20, 2.31326175, 40.00004578, 2.31326175, 60.00671387, 2.31326175],
    tolerance: printed,
  },
  {
    op: 'logSumExp',
    name: 'reduce_log_sum_exp_default_axes_keepdims_example',
    x: pairs,
    shape: [12],
    expected: [60.00671387],
    tolerance: printed,
  },
  {
    op: 'logSumExp',
    name: 'reduce_log_sum_exp_empty_set',
    x: [],
    shape: [2, 0, 4],
    axis: 1,
    expected: new Array<number>(8).fill(-Infinity),
    tolerance: 0,
  },
];

/** scipy/scipy, scipy/special/tests/test_logsumexp.py: expected values from mpmath, rtol as there. */
const scipy: readonly Published[] = [
  {
    op: 'softmax',
    name: 'test_softmax_fixtures, 1000',
    x: [1000, 0, 0, 0],
    shape: [4],
    expected: [1, 0, 0, 0],
    tolerance: 1e-13,
  },
  {
    op: 'softmax',
    name: 'test_softmax_fixtures, equal',
    x: [1, 1],
    shape: [2],
    expected: [0.5, 0.5],
    tolerance: 1e-13,
  },
  {
    op: 'softmax',
    name: 'test_softmax_fixtures, translated',
    x: [100, 101, 102, 103],
    shape: [4],
    expected: [0.03205860328008499, 0.08714431874203256, 0.23688281808991013, 0.6439142598879722],
    tolerance: 1e-13,
  },
  {
    op: 'softmax',
    name: 'test_softmax_multi_axes, axis 0',
    x: [1000, 0, 1000, 0],
    shape: [2, 2],
    axis: 0,
    expected: [0.5, 0.5, 0.5, 0.5],
    tolerance: 1e-13,
  },
  {
    op: 'softmax',
    name: 'test_softmax_multi_axes, axis 1',
    x: scipyWide,
    shape: [2, 4],
    expected: scipyWideExpected,
    tolerance: 1e-13,
  },
  {
    op: 'softmax',
    name: 'test_softmax_multi_axes, two axes',
    x: scipyWide,
    shape: [2, 2, 2],
    axis: [1, 2],
    expected: scipyWideExpected,
    tolerance: 1e-13,
  },
  {
    op: 'logSumExp',
    name: 'test_logsumexp, large',
    x: [1000, 1000],
    shape: [2],
    expected: [1000 + Math.LN2],
    tolerance: 1e-15,
  },
  {
    op: 'logSumExp',
    name: 'test_logsumexp, many',
    x: new Array<number>(1000).fill(10000),
    shape: [1000],
    expected: [10000 + Math.log(1000)],
    tolerance: 1e-15,
  },
  {
    op: 'logSumExp',
    name: 'test_logsumexp, magnitudes',
    x: [1e10, 1e-10, -1e10, -Infinity],
    shape: [2, 2],
    expected: [1e10, -1e10],
    tolerance: 1e-15,
  },
  {
    op: 'logSumExp',
    name: 'test_logsumexp, -inf',
    x: [-Infinity, -Infinity],
    shape: [2],
    expected: [-Infinity],
    tolerance: 0,
  },
  {
    op: 'logSumExp',
    name: 'test_logsumexp, inf',
    x: [Infinity],
    shape: [1],
    expected: [Infinity],
    tolerance: 0,
  },
  {
    op: 'logSumExp',
    name: 'test_gh18295',
    x: [0, -40],
    shape: [2],
    expected: [4.248354255291589e-18],
    tolerance: 1e-15,
  },
];

const sixOfTfjs = [1, 2, 3, 0, 0, 1];

/**
 * tensorflow/tfjs, tfjs-core/src/ops/softmax_test.ts and log_sum_exp_test.ts, in float32; the latter has formulas, of
 * which these are the values.
 */
const tfjs: readonly Published[] = [
  { op: 'softmax', name: 'overflow', x: [100, 100], shape: [2], expected: [0.5, 0.5], tolerance: printed },
  { op: 'softmax', name: 'underflow', x: [-100, -100], shape: [2], expected: [0.5, 0.5], tolerance: printed },
  {
    op: 'softmax',
    name: 'huge difference between probabilities',
    x: [-1000, 1000],
    shape: [2],
    expected: [0, 1],
    tolerance: printed,
  },
  {
    op: 'softmax',
    name: 'propagates NaNs',
    x: [2, 1, NaN],
    shape: [3],
    expected: [NaN, NaN, NaN],
    tolerance: 0,
  },
  {
    op: 'softmax',
    name: '2D, dim=1',
    x: [2, 1, 3, 1, 3, 2],
    shape: [2, 3],
    expected: [0.24472847, 0.09003057, 0.66524095, 0.09003057, 0.66524095, 0.24472847],
    tolerance: printed,
  },
  {
    op: 'logSoftmax',
    name: 'regular test',
    x: [2, 1, 3],
    shape: [3],
    expected: [-1.407606, -2.4076061, -0.407606],
    tolerance: printed,
  },
  {
    op: 'logSoftmax',
    name: 'huge difference',
    x: [-1000, 1000],
    shape: [2],
    expected: [-2000, 0],
    tolerance: printed,
  },
  { op: 'logSumExp', name: '0', x: [0], shape: [1], expected: [0], tolerance: 0 },
  {
    op: 'logSumExp',
    name: 'basic',
    x: [1, 2, -3],
    shape: [3],
    expected: [2.318175429247454],
    tolerance: 1e-15,
  },
  {
    op: 'logSumExp',
    name: 'propagates NaNs',
    x: [1, 2, NaN],
    shape: [3],
    expected: [NaN],
    tolerance: 0,
  },
  {
    op: 'logSumExp',
    name: 'axes=0 in 2D array',
    x: sixOfTfjs,
    shape: [3, 2],
    axis: 0,
    expected: [3.1698460195562856, 2.40760596444438],
    tolerance: 1e-15,
  },
  {
    op: 'logSumExp',
    name: 'axes = -1 in 2D array',
    x: sixOfTfjs,
    shape: [3, 2],
    axis: -1,
    expected: [2.313261687518223, 3.048587351573742, 1.3132616875182228],
    tolerance: 1e-15,
  },
  {
    op: 'logSumExp',
    name: '2D, axes=1 provided as a single digit',
    x: sixOfTfjs,
    shape: [2, 3],
    axis: 1,
    expected: [3.40760596444438, 1.551444713932051],
    tolerance: 1e-15,
  },
  {
    op: 'logSumExp',
    name: 'axes=0,1 in 2D array',
    x: sixOfTfjs,
    shape: [3, 2],
    axis: [0, 1],
    expected: [3.552806453740107],
    tolerance: 1e-15,
  },
];

export const published = { 'the ONNX backend tests': onnx, SciPy: scipy, 'TensorFlow.js': tfjs } as const;

/** onnx/onnx, onnx/backend/test/case/node: topk.py, hardmax.py (the one class that is 1); tensorflow/tfjs, tfjs-core/src/ops/topk_test.ts. */
export const publishedTopK = [
  {
    name: 'ONNX: test_top_k',
    x: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
    shape: [3, 4],
    k: 3,
    indices: [3, 2, 1, 3, 2, 1, 3, 2, 1],
  },
  {
    name: 'ONNX: test_hardmax_example',
    x: [3, 0, 1, 2, 2, 5, 1, 0, 0, 1, 3, 2, 0, 1, 2, 3],
    shape: [4, 4],
    k: 1,
    indices: [0, 1, 2, 3],
  },
  { name: 'ONNX: test_hardmax_one_hot', x: [3, 3, 3, 1], shape: [1, 4], k: 1, indices: [0] },
  { name: 'TensorFlow.js: 1d', x: [20, 10, 40, 30], shape: [4], k: 2, indices: [2, 3] },
  { name: 'TensorFlow.js: 2d, k=1', x: [10, 50, 40, 30], shape: [2, 2], k: 1, indices: [1, 0] },
  {
    name: 'TensorFlow.js: 2d, k=2',
    x: [1, 5, 2, 4, 3, 6, 3, 2, 1, 1, 2, 3],
    shape: [4, 3],
    k: 2,
    indices: [1, 2, 2, 0, 0, 1, 2, 1],
  },
  {
    name: 'TensorFlow.js: 3d, k=3',
    x: [1, 5, 2, 4, 3, 6, 3, 2, 1, 1, 2, 3],
    shape: [2, 2, 3],
    k: 3,
    indices: [1, 2, 0, 2, 0, 1, 0, 1, 2, 2, 1, 0],
  },
  { name: 'TensorFlow.js: lower index first', x: [1, 2, 2, 1], shape: [4], k: 4, indices: [1, 2, 0, 3] },
];

/** web-platform-tests/wpt, webnn: getSoftmaxPrecisionTolerance, in ULP of float32. */
export function webnnTolerance(classes: number): number {
  return 3 * classes + 3;
}
