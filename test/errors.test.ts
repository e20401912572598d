/** Every argument that can be wrong is refused in the same words, with a code, before anything is written. */
import { afterEach, describe, expect, test, vi } from 'vitest';
import * as sync from '../lib/index.js';
import * as promises from '../lib/promises.js';

type Call = (x: unknown, ...rest: unknown[]) => unknown;
type Name =
  | 'softmax'
  | 'logSoftmax'
  | 'logSumExp'
  | 'topK'
  | 'classify'
  | 'sample'
  | 'crossEntropy'
  | 'logProb';
type Api = { readonly [name in Name]: Call };

interface Wrong {
  readonly title: string;
  readonly call: (api: Api, out: Float32Array) => unknown;
  readonly kind: 'TypeError' | 'RangeError';
  readonly code: string;
  readonly message: string;
}

const x = Float32Array.of(1, 2, 3, 4);
const untouched = 123;

/** Four elements that were there, and are no more. */
function detached(): Float32Array {
  const array = new Float32Array(4);
  structuredClone(array.buffer, { transfer: [array.buffer] });
  return array;
}

/** An option of softmax that is wrong by itself. */
function option(options: object, kind: Wrong['kind'], code: string, message: string): Wrong {
  const title = Object.entries(options)
    .map(([name, value]) => `${name}: ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`)
    .join(', ');
  return { title, call: (api, out) => api.softmax(x, { ...options, out }), kind, code, message };
}

function wrong(
  title: string,
  call: Wrong['call'],
  kind: Wrong['kind'],
  code: string,
  message: string,
): Wrong {
  return { title, call, kind, code, message };
}

const type = 'ERR_INVALID_ARG_TYPE';
const range = 'ERR_OUT_OF_RANGE';
const shape = 'ERR_SHAPE_MISMATCH';
const overlap = 'ERR_OVERLAP';
const conflict = 'ERR_CONFLICTING_OPTIONS';
const kinds =
  'a Float32Array, Float64Array, Float16Array, Uint16Array with a dtype, tensor or array of numbers for x';

const logits: Wrong[] = [
  ...[undefined, null, 5, 5n, 'a', true, Symbol('s'), () => 1, {}, new Date(0), new ArrayBuffer(8)].map(
    (value) =>
      wrong(String(value), (api) => api.softmax(value), 'TypeError', type, `Expected ${kinds} but received `),
  ),
  ...[new Int32Array(4), new Uint8Array(4), new BigInt64Array(4), new Int16Array(4)].map((value) =>
    wrong(
      value.constructor.name,
      (api, out) => api.softmax(value, { out }),
      'TypeError',
      type,
      `Expected ${kinds} but received a`,
    ),
  ),
  wrong(
    'an object that only inherits from Float32Array',
    (api, out) => api.softmax(Object.create(Float32Array.prototype), { out }),
    'TypeError',
    type,
    `Expected ${kinds} but received `,
  ),
  wrong(
    'a Uint16Array without dtype',
    (api, out) => api.softmax(new Uint16Array(4), { out }),
    'TypeError',
    type,
    "Expected dtype 'float16' or 'bfloat16' with a Uint16Array for x but received a Uint16Array of length 4",
  ),
  wrong(
    'a detached array',
    (api, out) => api.softmax(detached(), { out }),
    'TypeError',
    'ERR_DETACHED',
    'Expected an array that is not detached for x but received a detached Float32Array',
  ),
  wrong(
    'a detached tensor',
    (api) => api.softmax({ data: detached(), dims: [4] }),
    'TypeError',
    'ERR_DETACHED',
    'Expected an array that is not detached for x.data but received a detached Float32Array',
  ),
  wrong(
    'ragged nesting',
    (api) => api.softmax([[1, 2], [3]]),
    'RangeError',
    shape,
    'Expected an array of length 2, like the arrays beside it, for x[1] but received [3]',
  ),
  wrong(
    'an array among numbers',
    (api) => api.softmax([1, [2]]),
    'TypeError',
    type,
    'Expected a number for x[1] but received [2]',
  ),
  wrong(
    'a number among arrays',
    (api) => api.softmax([[1], 2]),
    'TypeError',
    type,
    'Expected an array of length 1 for x[1] but received 2',
  ),
  wrong(
    'a leaf that is no number',
    (api) => api.softmax([[[1, 2]], [[3, '4']]]),
    'TypeError',
    type,
    'Expected a number for x[1][0][1] but received "4"',
  ),
  wrong(
    'undefined',
    (api) => api.softmax([1, ...new Array(1), 3]),
    'TypeError',
    type,
    'Expected a number for x[1] but received undefined',
  ),
  wrong(
    'an array in itself',
    (api) => {
      const loop: unknown[] = [];
      loop.push(loop);
      return api.softmax(loop);
    },
    'RangeError',
    shape,
    'Expected at most 32 levels of arrays for x but received an array of length 1',
  ),
  wrong(
    'a tensor on a GPU',
    (api) =>
      api.softmax({
        location: 'gpu-buffer',
        type: 'float32',
        dims: [4],
        get data() {
          throw new Error('not here');
        },
      }),
    'RangeError',
    range,
    "Expected a tensor in the CPU's memory (await its getData() first) for x but received gpu-buffer",
  ),
  wrong(
    'a tensor of strings',
    (api) => api.softmax({ type: 'string', data: ['a'], dims: [1] }),
    'TypeError',
    type,
    'Expected a typed array for x.data but received ["a"]',
  ),
  wrong(
    'a tensor of 16-bit integers',
    (api) => api.softmax({ type: 'uint16', data: new Uint16Array(4), dims: [4] }, { dtype: 'float16' }),
    'TypeError',
    type,
    'Expected float16 or bfloat16 for x.type but received "uint16"',
  ),
  wrong(
    'a tensor of too many dimensions',
    (api) => api.softmax({ data: x, dims: [2, 3] }),
    'RangeError',
    shape,
    'Expected dimensions of 4 elements for x.dims but received [2, 3]',
  ),
  wrong(
    'a tensor of negative dimensions',
    (api) => api.softmax({ data: x, shape: [-2, -2] }),
    'RangeError',
    range,
    'Expected integers of at least 0 for x.shape but received [-2, -2]',
  ),
  wrong(
    'a strided ndarray',
    (api) => api.softmax({ data: x, shape: [2, 2], stride: [1, 2], offset: 0 }),
    'RangeError',
    shape,
    'Expected contiguous data for x.stride but received [1, 2]',
  ),
];

const options: Wrong[] = [
  wrong(
    'options that are none',
    (api) => api.softmax(x, 5),
    'TypeError',
    type,
    'Expected an object for options but received 5',
  ),
  wrong(
    'null',
    (api) => api.softmax(x, null),
    'TypeError',
    type,
    'Expected an object for options but received null',
  ),
  wrong(
    'an array',
    (api) => api.softmax(x, [4]),
    'TypeError',
    type,
    'Expected an object for options but received [4]',
  ),
  option(
    { temprature: 2 },
    'TypeError',
    'ERR_UNKNOWN_OPTION',
    'Expected one of axis, backend, bitmask, dtype, lengths, logNormalizer, offsets, out, outType, shape, temperature, threads, ' +
      'where for the options of softmax but received "temprature" (did you mean temperature?)',
  ),
  option({ Axis: 0 }, 'TypeError', 'ERR_UNKNOWN_OPTION', 'Expected one of '),
  option({ labels: [] }, 'TypeError', 'ERR_UNKNOWN_OPTION', 'Expected one of '),
  option({ shape: 4 }, 'TypeError', type, 'Expected an array of integers for shape but received 4'),
  option({ shape: ['4'] }, 'TypeError', type, 'Expected an integer for shape[0] but received "4"'),
  option(
    { shape: [1.5, 2] },
    'RangeError',
    range,
    'Expected an integer of at least -1 for shape[0] but received 1.5',
  ),
  option(
    { shape: [2, -2] },
    'RangeError',
    range,
    'Expected an integer of at least -1 for shape[1] but received -2',
  ),
  option(
    { shape: [Number.NaN, 2] },
    'RangeError',
    range,
    'Expected an integer of at least -1 for shape[0] but received NaN',
  ),
  option({ shape: [-1, -1] }, 'RangeError', range, 'Expected at most one -1 for shape but received [-1, -1]'),
  option(
    { shape: [3, 1] },
    'RangeError',
    shape,
    'Expected dimensions of 4 elements for shape but received [3, 1]',
  ),
  option(
    { shape: [-1, 3] },
    'RangeError',
    shape,
    'Expected dimensions of 4 elements for shape but received [-1, 3]',
  ),
  option(
    { shape: [-1, 0] },
    'RangeError',
    shape,
    'Expected dimensions of 4 elements for shape but received [-1, 0]',
  ),
  option(
    { shape: [2 ** 32, 2 ** -30] },
    'RangeError',
    range,
    'Expected an integer of at least -1 for shape[1] but received ',
  ),
  option({ axis: '0' }, 'TypeError', type, 'Expected an integer for axis but received "0"'),
  option({ axis: 1 }, 'RangeError', range, 'Expected an integer from -1 to 0 for axis but received 1'),
  option({ axis: -2 }, 'RangeError', range, 'Expected an integer from -1 to 0 for axis but received -2'),
  option({ axis: 0.5 }, 'RangeError', range, 'Expected an integer from -1 to 0 for axis but received 0.5'),
  option({ axis: [] }, 'RangeError', range, 'Expected at least one axis for axis but received []'),
  option(
    { axis: [0, -1] },
    'RangeError',
    range,
    'Expected each axis at most once for axis but received [0, -1]',
  ),
  option(
    { axis: [0, 3] },
    'RangeError',
    range,
    'Expected an integer from -1 to 0 for axis[1] but received 3',
  ),
  option({ axis: null }, 'TypeError', type, 'Expected an integer for axis but received null'),
  ...[0, -1, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY].map((temperature) =>
    option(
      { temperature },
      'RangeError',
      range,
      `Expected a finite number greater than 0 for temperature but received ${temperature}`,
    ),
  ),
  option(
    { temperature: '1' },
    'TypeError',
    type,
    'Expected a finite number greater than 0 for temperature but received "1"',
  ),
  option(
    { temperature: 1n },
    'TypeError',
    type,
    'Expected a finite number greater than 0 for temperature but received 1n',
  ),
  option(
    { temperature: [1, 1] },
    'RangeError',
    shape,
    'Expected 1 entries for temperature but received [1, 1]',
  ),
  ...[0, -1, Number.NaN, Number.POSITIVE_INFINITY].map((temperature) =>
    option(
      { temperature: Float64Array.of(temperature) },
      'RangeError',
      range,
      `Expected a finite number greater than 0 for temperature[0] but received ${temperature}`,
    ),
  ),
  option({ temperature: ['1'] }, 'TypeError', type, 'Expected a number for temperature[0] but received "1"'),
  option(
    { temperature: Int32Array.of(1) },
    'TypeError',
    type,
    'Expected a Float64Array, Float32Array or array of numbers for temperature but received an Int32Array of length 1',
  ),
  option({ threads: 0 }, 'RangeError', range, 'Expected an integer of at least 1 for threads but received 0'),
  option(
    { threads: 1.5 },
    'RangeError',
    range,
    'Expected an integer of at least 1 for threads but received 1.5',
  ),
  option(
    { threads: 'all' },
    'TypeError',
    type,
    'Expected an integer of at least 1 for threads but received "all"',
  ),
  option(
    { backend: 'gpu' },
    'RangeError',
    range,
    'Expected one of auto, native, wasm, js for backend but received "gpu"',
  ),
  option(
    { backend: 1 },
    'TypeError',
    type,
    'Expected one of auto, native, wasm, js for backend but received 1',
  ),
  option(
    { dtype: 'float8' },
    'RangeError',
    range,
    'Expected one of float32, float64, float16, bfloat16 for dtype but received "float8"',
  ),
  option({ dtype: 32 }, 'TypeError', type, 'Expected a string for dtype but received 32'),
  option(
    { dtype: 'float16' },
    'RangeError',
    range,
    'Expected float32, the type of x, for dtype but received "float16"',
  ),
  option(
    { outType: 'float16' },
    'RangeError',
    range,
    'Expected float32, the type of x, for outType but received "float16"',
  ),
  option(
    { outType: 'int8' },
    'RangeError',
    range,
    'Expected one of float32, float64, float16, bfloat16 for outType but received "int8"',
  ),
  option(
    { where: 1 },
    'TypeError',
    type,
    'Expected a Uint8Array, tensor or array of booleans for where but received 1',
  ),
  option(
    { where: new Float32Array(4) },
    'TypeError',
    type,
    'Expected a Uint8Array, tensor or array of booleans for where but received a Float32Array of length 4',
  ),
  option(
    { where: new Uint8Array(3) },
    'RangeError',
    shape,
    'Expected as many entries as x, or one row, of dimensions [4] for where but received a Uint8Array of length 3',
  ),
  option(
    { where: [true, false, true] },
    'RangeError',
    shape,
    'Expected dimensions that broadcast to [4] for where but received [3]',
  ),
  option(
    { where: [[true, false, true, true]] },
    'RangeError',
    shape,
    'Expected dimensions that broadcast to [4] for where but received [1, 4]',
  ),
  option({ where: [1, 0, 2, 1] }, 'RangeError', range, 'Expected 0 or 1 for where[2] but received 2'),
  option(
    { where: [1, 0, '1', 1] },
    'TypeError',
    type,
    'Expected true or false for where[2] but received "1"',
  ),
  option(
    { lengths: 4 },
    'TypeError',
    type,
    'Expected a Uint32Array, Int32Array, BigInt64Array or array of integers for lengths but received 4',
  ),
  option(
    { lengths: new Uint8Array(1) },
    'TypeError',
    type,
    'Expected a Uint32Array, Int32Array, BigInt64Array or array of integers for lengths but received a Uint8Array of length 1',
  ),
  option(
    { lengths: [4, 4] },
    'RangeError',
    shape,
    'Expected one entry for each of 1 rows for lengths but received [4, 4]',
  ),
  option(
    { lengths: [5] },
    'RangeError',
    range,
    'Expected an integer from 0 to 4 for lengths[0] but received 5',
  ),
  option(
    { lengths: [-1] },
    'RangeError',
    range,
    'Expected an integer from 0 to 4 for lengths[0] but received -1',
  ),
  option(
    { bitmask: [1] },
    'TypeError',
    type,
    'Expected a Uint32Array or Int32Array for bitmask but received [1]',
  ),
  option(
    { bitmask: new Uint8Array(1) },
    'TypeError',
    type,
    'Expected a Uint32Array or Int32Array for bitmask but received a Uint8Array of length 1',
  ),
  option(
    { bitmask: new Uint32Array(2) },
    'RangeError',
    shape,
    'Expected 1 words for each of 1 rows, or for all, for bitmask but received a Uint32Array of length 2',
  ),
  option(
    { bitmask: new Int32Array(3), shape: [2, 2] },
    'RangeError',
    shape,
    'Expected 1 words for each of 2 rows, or for all, for bitmask but received an Int32Array of length 3',
  ),
  option({ lengths: ['1'] }, 'TypeError', type, 'Expected an integer for lengths[0] but received "1"'),
  option({ offsets: [] }, 'RangeError', shape, 'Expected at least one entry for offsets but received []'),
  option(
    { offsets: [1, 4] },
    'RangeError',
    range,
    'Expected an integer from 0 to 0 for offsets[0] but received 1',
  ),
  option(
    { offsets: [0, 3] },
    'RangeError',
    range,
    'Expected 4, the length of x, for offsets[1] but received 3',
  ),
  option(
    { offsets: [0, 5] },
    'RangeError',
    range,
    'Expected an integer from 0 to 4 for offsets[1] but received 5',
  ),
  option(
    { offsets: [0, 3, 2, 4] },
    'RangeError',
    range,
    'Expected an integer from 3 to 4 for offsets[2] but received 2',
  ),
  option(
    { offsets: [0, 4], shape: [4] },
    'TypeError',
    conflict,
    'Expected no shape together with it for offsets but received [0, 4]',
  ),
  option(
    { offsets: [0, 4], axis: 0 },
    'TypeError',
    conflict,
    'Expected no axis together with it for offsets but received [0, 4]',
  ),
  option(
    { offsets: [0, 4], bitmask: new Uint32Array(1) },
    'TypeError',
    conflict,
    'Expected no bitmask together with it for offsets but received [0, 4]',
  ),
  option(
    { offsets: [0, 4], lengths: [4] },
    'TypeError',
    conflict,
    'Expected no lengths together with it for offsets but received [0, 4]',
  ),
  option(
    { offsets: [0, 2, 4], where: new Uint8Array(2) },
    'RangeError',
    shape,
    'Expected as many entries as x',
  ),
  option(
    { logNormalizer: '1' },
    'TypeError',
    type,
    'Expected a Float64Array, Float32Array or array of numbers for logNormalizer but received "1"',
  ),
  option(
    { logNormalizer: [1, 2] },
    'RangeError',
    shape,
    'Expected 1 entries for logNormalizer but received [1, 2]',
  ),
  option(
    { logNormalizer: [true] },
    'TypeError',
    type,
    'Expected a number for logNormalizer[0] but received true',
  ),
  wrong(
    'a signal in a synchronous call',
    (api, out) => api.softmax(x, { singal: 1, out }),
    'TypeError',
    'ERR_UNKNOWN_OPTION',
    'Expected one of ',
  ),
  wrong(
    'a shape that contradicts the tensor',
    (api) => api.softmax({ data: x, dims: [2, 2] }, { shape: [4] }),
    'RangeError',
    shape,
    'Expected [2, 2], the dimensions of x, for shape but received [4]',
  ),
  wrong(
    'a dtype that contradicts an array of numbers',
    (api) => api.softmax([1, 2], { dtype: 'float32' }),
    'RangeError',
    range,
    'Expected float64, the type of x, for dtype but received "float32"',
  ),
  wrong(
    'offsets into two dimensions',
    (api) => api.softmax([[1, 2]], { offsets: [0, 2] }),
    'RangeError',
    shape,
    'Expected flat data beside offsets for x but received dimensions [1, 2]',
  ),
];

const outputs: Wrong[] = [
  ...(['softmax', 'logSoftmax'] as const).flatMap((name) => [
    wrong(
      `${name}: an array`,
      (api) => api[name](x, { out: [] }),
      'TypeError',
      type,
      'Expected a Float32Array of length 4 for out but received []',
    ),
    wrong(
      `${name}: null`,
      (api) => api[name](x, { out: null }),
      'TypeError',
      type,
      'Expected a Float32Array of length 4 for out but received null',
    ),
    wrong(
      `${name}: another type`,
      (api) => api[name](x, { out: new Float64Array(4) }),
      'TypeError',
      type,
      'Expected a Float32Array of length 4 for out but received a Float64Array of length 4',
    ),
    wrong(
      `${name}: too short`,
      (api) => api[name](x, { out: new Float32Array(3) }),
      'RangeError',
      shape,
      'Expected a Float32Array of length 4 for out but received a Float32Array of length 3',
    ),
    wrong(
      `${name}: too long`,
      (api) => api[name](x, { out: new Float32Array(5) }),
      'RangeError',
      shape,
      'Expected a Float32Array of length 4 for out but received a Float32Array of length 5',
    ),
    wrong(
      `${name}: detached`,
      (api) => api[name](x, { out: detached() }),
      'TypeError',
      'ERR_DETACHED',
      'Expected a Float32Array of length 4 for out but received a detached Float32Array',
    ),
    wrong(
      `${name}: a tensor of other dimensions`,
      (api, out) => api[name]({ data: x, dims: [2, 2] }, { out: { data: out, dims: [4] } }),
      'RangeError',
      shape,
      'Expected [2, 2] for out.dims but received [4]',
    ),
    wrong(
      `${name}: a part of x`,
      (api, out) => api[name](out.subarray(0, 3), { out: out.subarray(1) }),
      'RangeError',
      overlap,
      'Expected x itself, or memory that does not overlap x for out but received a view that overlaps part of it',
    ),
    wrong(
      `${name}: the same memory as another type`,
      (api, out) =>
        api[name](new Uint16Array(out.buffer, 0, 2), {
          dtype: 'float16',
          outType: 'float32',
          out: out.subarray(0, 2),
        }),
      'RangeError',
      overlap,
      'Expected x itself, or memory that does not overlap x for out but received a view that overlaps part of it',
    ),
    wrong(
      `${name}: the memory of the mask`,
      (api, out) => api[name](x, { where: new Uint8Array(out.buffer, 0, 4), out }),
      'RangeError',
      overlap,
      'Expected memory that does not overlap where for out but received a view that overlaps it',
    ),
    wrong(
      `${name}: the memory of the lengths`,
      (api, out) => api[name](x, { lengths: new Uint32Array(out.buffer, 4, 1).fill(0), out: out.fill(0) }),
      'RangeError',
      overlap,
      'Expected memory that does not overlap lengths for out but received a view that overlaps it',
    ),
  ]),
  wrong(
    'logSumExp: one of x',
    (api, out) => api.logSumExp(out, { out: out.subarray(0, 1) }),
    'RangeError',
    overlap,
    'Expected memory that does not overlap x for out but received a view that overlaps it',
  ),
  wrong(
    'logSumExp: x itself',
    (api, out) => api.logSumExp(out.subarray(0, 1), { out: out.subarray(0, 1) }),
    'RangeError',
    overlap,
    'Expected memory that does not overlap x for out but received a view that overlaps it',
  ),
  wrong(
    'logSumExp: too long',
    (api, out) => api.logSumExp(x, { out }),
    'RangeError',
    shape,
    'Expected a Float32Array of length 1 for out but received a Float32Array of length 4',
  ),
  wrong(
    'logSumExp: 16-bit',
    (api) => api.logSumExp(new Uint16Array(4), { dtype: 'float16', out: new Uint16Array(1) }),
    'TypeError',
    type,
    'Expected a Float32Array of length 1 for out but received a Uint16Array of length 1',
  ),
];

const others: Wrong[] = [
  ...[5, 1.5, -1, Number.NaN].map((k) =>
    wrong(
      `topK: k of ${k}`,
      (api) => api.topK(x, k),
      'RangeError',
      range,
      `Expected an integer from 0 to 4 for k but received ${k}`,
    ),
  ),
  ...(
    [
      [
        'a class that there is not',
        [0, 4],
        'RangeError',
        range,
        'an integer from 0 to 3 for classes[1] but received 4',
      ],
      [
        'a negative class',
        [-1],
        'RangeError',
        range,
        'an integer from 0 to 3 for classes[0] but received -1',
      ],
      ['half a class', [0.5], 'RangeError', range, 'an integer from 0 to 3 for classes[0] but received 0.5'],
      ['a class of another kind', ['0'], 'TypeError', type, 'an integer for classes[0] but received "0"'],
      [
        'classes of another kind',
        new Float32Array(1),
        'TypeError',
        type,
        'a Uint32Array, Int32Array, BigInt64Array or array of integers for classes but received a Float32Array of length 1',
      ],
      [
        'classes of other dimensions',
        [[0], [1]],
        'RangeError',
        shape,
        'as many classes for each of 1 rows, flat or with n in the place of the axis, for classes but received dimensions [2, 1]',
      ],
    ] as const
  ).map(([what, classes, name, code, message]) =>
    wrong(
      `logProb: ${what}`,
      (api, out) => api.logProb(x, classes, { out, ranks: new Uint32Array(4) }),
      name,
      code,
      `Expected ${message}`,
    ),
  ),
  wrong(
    'logProb: classes that do not fit the rows',
    (api) => api.logProb(x, [0, 1, 0], { shape: [2, 2] }),
    'RangeError',
    shape,
    'Expected as many classes for each of 2 rows, flat or with n in the place of the axis, for classes but received dimensions [3]',
  ),
  wrong(
    'logProb: nested classes for all rows',
    (api) => api.logProb(x, [[0, 1]], { shared: true }),
    'RangeError',
    shape,
    'Expected one list of classes for classes but received dimensions [1, 2]',
  ),
  wrong(
    'logProb: ranks of another kind',
    (api, out) => api.logProb(x, [0, 1, 2, 3], { out, ranks: new Int32Array(4) }),
    'TypeError',
    type,
    'Expected a Uint32Array of length 4 for ranks but received an Int32Array of length 4',
  ),
  wrong(
    'logProb: ranks in the memory of the result',
    (api, out) => api.logProb(x, [0, 1, 2, 3], { out, ranks: new Uint32Array(out.buffer, 0, 4) }),
    'RangeError',
    overlap,
    'Expected memory that does not overlap out for ranks but received a view that overlaps it',
  ),
  wrong(
    'logProb: in place',
    (api, out) => api.logProb(out, [0, 1, 2, 3], { out }),
    'RangeError',
    overlap,
    'Expected memory that does not overlap x for out but received a view that overlaps it',
  ),
  wrong(
    'logProb: renormalize of another kind',
    (api) => api.logProb(x, [0], { renormalize: 1 }),
    'TypeError',
    type,
    'Expected true or false for renormalize but received 1',
  ),
  wrong(
    'topK: no k',
    (api) => api.topK(x, undefined),
    'TypeError',
    type,
    'Expected an integer from 0 to 4 for k but received undefined',
  ),
  wrong(
    'topK: out of one array',
    (api, out) => api.topK(x, 4, { out }),
    'TypeError',
    type,
    'Expected { probabilities, indices } for out but received keys 0, 1, 2, 3',
  ),
  wrong(
    'topK: log of another kind',
    (api) => api.topK(x, 4, { log: 1 }),
    'TypeError',
    type,
    'Expected true or false for log but received 1',
  ),
  wrong(
    'topK: probabilities beside log',
    (api, out) => api.topK(x, 4, { log: true, out: { probabilities: out, indices: new Uint32Array(4) } }),
    'TypeError',
    type,
    'Expected { logProbabilities, indices } for out but received keys probabilities, indices',
  ),
  wrong(
    'topK: probabilities beside their logarithms',
    (api, out) =>
      api.topK(x, 4, {
        log: true,
        out: { probabilities: out, logProbabilities: new Float32Array(4), indices: new Uint32Array(4) },
      }),
    'TypeError',
    type,
    'Expected { logProbabilities, indices } for out but received keys probabilities, logProbabilities, indices',
  ),
  wrong(
    'topK: logProbabilities without log',
    (api, out) => api.topK(x, 4, { out: { logProbabilities: out, indices: new Uint32Array(4) } }),
    'TypeError',
    type,
    'Expected { probabilities, indices } for out but received keys logProbabilities, indices',
  ),
  wrong(
    'topK: indices of another type',
    (api, out) => api.topK(x, 4, { out: { probabilities: out, indices: new Int32Array(4) } }),
    'TypeError',
    type,
    'Expected a Uint32Array of length 4 for out.indices but received an Int32Array of length 4',
  ),
  wrong(
    'topK: indices too short',
    (api, out) => api.topK(x, 4, { out: { probabilities: out, indices: new Uint32Array(3) } }),
    'RangeError',
    shape,
    'Expected a Uint32Array of length 4 for out.indices but received a Uint32Array of length 3',
  ),
  wrong(
    'topK: in place',
    (api, out) => api.topK(out, 4, { out: { probabilities: out, indices: new Uint32Array(4) } }),
    'RangeError',
    overlap,
    'Expected memory that does not overlap x for out.probabilities but received a view that overlaps it',
  ),
  wrong(
    'topK: both results in one memory',
    (api, out) => api.topK(x, 4, { out: { probabilities: out, indices: new Uint32Array(out.buffer, 0, 4) } }),
    'RangeError',
    overlap,
    'Expected memory that does not overlap out.probabilities for out.indices but received a view that overlaps it',
  ),
  wrong(
    'classify: no labels',
    (api) => api.classify(x, {}),
    'TypeError',
    type,
    'Expected an array of strings for labels but received undefined',
  ),
  wrong(
    'classify: no options',
    (api) => api.classify(x),
    'TypeError',
    type,
    'Expected an array of strings for labels but received undefined',
  ),
  wrong(
    'classify: too few labels',
    (api) => api.classify(x, { labels: ['a'] }),
    'RangeError',
    shape,
    'Expected 4 strings, one per class, for labels but received ["a"]',
  ),
  wrong(
    'classify: a label that is none',
    (api) => api.classify(x, { labels: ['a', 'b', 'c', 4] }),
    'TypeError',
    type,
    'Expected a string for labels[3] but received 4',
  ),
  wrong(
    'classify: k',
    (api) => api.classify(x, { labels: ['a', 'b', 'c', 'd'], k: 5 }),
    'RangeError',
    range,
    'Expected an integer from 1 to 4 for k but received 5',
  ),
  wrong(
    'sample: temperature',
    (api) => api.sample(x, { temperature: -1 }),
    'RangeError',
    range,
    'Expected a finite number of at least 0 for temperature but received -1',
  ),
  wrong(
    'sample: seed',
    (api) => api.sample(x, { seed: -1 }),
    'RangeError',
    range,
    'Expected a safe integer or bigint of at least 0 for seed but received -1',
  ),
  wrong(
    'sample: a large seed',
    (api) => api.sample(x, { seed: 2 ** 53 }),
    'RangeError',
    range,
    'Expected a safe integer or bigint of at least 0 for seed but received 9007199254740992',
  ),
  wrong(
    'sample: a huge seed',
    (api) => api.sample(x, { seed: 1n << 64n }),
    'RangeError',
    range,
    'Expected an integer from 0 to 2^64 - 1 for seed but received 18446744073709551616n',
  ),
  wrong(
    'sample: a seed of words',
    (api) => api.sample(x, { seed: 'a' }),
    'TypeError',
    type,
    'Expected a safe integer or bigint of at least 0 for seed but received "a"',
  ),
  wrong(
    'sample: topK',
    (api) => api.sample(x, { topK: -2 }),
    'RangeError',
    range,
    'Expected an integer of at least -1 for topK but received -2',
  ),
  wrong(
    'sample: topP',
    (api) => api.sample(x, { topP: -0.1 }),
    'RangeError',
    range,
    'Expected a number from 0 to 1 for topP but received -0.1',
  ),
  wrong(
    'sample: topP over 1',
    (api) => api.sample(x, { topP: 1.01 }),
    'RangeError',
    range,
    'Expected a number from 0 to 1 for topP but received 1.01',
  ),
  wrong(
    'sample: topP of NaN',
    (api) => api.sample(x, { topP: Number.NaN }),
    'RangeError',
    range,
    'Expected a number from 0 to 1 for topP but received NaN',
  ),
  wrong(
    'sample: topK of another number of rows',
    (api) => api.sample(x, { topK: [1, 2] }),
    'RangeError',
    shape,
    'Expected one entry for each of 1 rows for topK but received [1, 2]',
  ),
  wrong(
    'sample: topK of a row',
    (api) => api.sample(x, { topK: [1.5] }),
    'RangeError',
    range,
    'Expected an integer of at least -1 for topK[0] but received 1.5',
  ),
  wrong(
    'sample: topP of bytes',
    (api) => api.sample(x, { topP: new Uint8Array(1) }),
    'TypeError',
    type,
    'Expected a number or a list of one per row (Float64Array, Float32Array, Int32Array, Uint32Array or array) for topP but received a Uint8Array of length 1',
  ),
  wrong(
    'sample: minP of a row',
    (api) => api.sample(x, { minP: Float64Array.of(2) }),
    'RangeError',
    range,
    'Expected a number from 0 to 1 for minP[0] but received 2',
  ),
  wrong(
    'sample: the seed of a row',
    (api) => api.sample(x, { seed: BigInt64Array.of(-1n) }),
    'RangeError',
    range,
    'Expected an integer from 0 to 2^64 - 1 for seed[0] but received -1n',
  ),
  wrong(
    'sample: no seed of a row',
    (api) => api.sample(x, { seed: [undefined] }),
    'TypeError',
    type,
    'Expected a safe integer or bigint of at least 0 for seed[0] but received undefined',
  ),
  wrong(
    'sample: offset',
    (api) => api.sample(x, { offset: -1 }),
    'RangeError',
    range,
    'Expected an integer from 0 to 9007194959773695 for offset but received -1',
  ),
  wrong(
    'sample: offset of a row',
    (api) => api.sample(x, { offset: [0.5] }),
    'RangeError',
    range,
    'Expected an integer from 0 to 9007194959773695 for offset[0] but received 0.5',
  ),
  wrong(
    'sample: minP',
    (api) => api.sample(x, { minP: -0.1 }),
    'RangeError',
    range,
    'Expected a number from 0 to 1 for minP but received -0.1',
  ),
  wrong(
    'sample: order',
    (api) => api.sample(x, { order: 'huggingface' }),
    'RangeError',
    range,
    'Expected one of transformers, vllm, llama.cpp, joint for order but received "huggingface"',
  ),
  wrong(
    'sample: repetitionPenalty',
    (api) => api.sample(x, { repetitionPenalty: 0 }),
    'RangeError',
    range,
    'Expected a finite number greater than 0 for repetitionPenalty but received 0',
  ),
  wrong(
    'sample: repetitionPenalty of a row',
    (api) => api.sample(x, { repetitionPenalty: [-1] }),
    'RangeError',
    range,
    'Expected a finite number greater than 0 for repetitionPenalty[0] but received -1',
  ),
  wrong(
    'sample: frequencyPenalty',
    (api) => api.sample(x, { frequencyPenalty: Number.NaN }),
    'RangeError',
    range,
    'Expected a finite number for frequencyPenalty but received NaN',
  ),
  wrong(
    'sample: presencePenalty',
    (api) => api.sample(x, { presencePenalty: '1' }),
    'TypeError',
    type,
    'Expected a finite number for presencePenalty but received "1"',
  ),
  wrong(
    'sample: history that is no list',
    (api) => api.sample(x, { history: 3 }),
    'TypeError',
    type,
    'Expected a Uint32Array, Int32Array, BigInt64Array or array of integers for history but received 3',
  ),
  ...[[4], Uint32Array.of(4), [-1], Int32Array.of(-1), BigInt64Array.of(4n)].map((history) =>
    wrong(
      `sample: a class that is none, ${history.constructor.name} of ${history[0]}`,
      (api) => api.sample(x, { history }),
      'RangeError',
      range,
      `Expected an integer from 0 to 3 for history[0] but received ${history[0]}`,
    ),
  ),
  wrong(
    'sample: half a class',
    (api) => api.sample(x, { prompt: [0, 1.5] }),
    'RangeError',
    range,
    'Expected an integer from 0 to 3 for prompt[1] but received 1.5',
  ),
  wrong(
    'sample: historyOffsets alone',
    (api) => api.sample(x, { historyOffsets: [0, 0] }),
    'TypeError',
    conflict,
    'Expected history together with it for historyOffsets but received [0, 0]',
  ),
  wrong(
    'sample: promptOffsets of another number of rows',
    (api) => api.sample(x, { prompt: [1, 2], promptOffsets: [0, 1, 2] }),
    'RangeError',
    shape,
    'Expected 2 entries, one more than rows, for promptOffsets but received [0, 1, 2]',
  ),
  wrong(
    'sample: historyOffsets that end early',
    (api) => api.sample(x, { history: [1, 2], historyOffsets: [0, 1] }),
    'RangeError',
    range,
    'Expected 2, the length of history, for historyOffsets[1] but received 1',
  ),
  wrong(
    'sample: historyOffsets that begin late',
    (api) => api.sample(x, { history: [1, 2], historyOffsets: [1, 2] }),
    'RangeError',
    range,
    'Expected an integer from 0 to 0 for historyOffsets[0] but received 1',
  ),
  wrong(
    'sample: bias that is none',
    (api) => api.sample(x, { bias: [1, 2, 3, 4] }),
    'TypeError',
    type,
    'Expected { classes, values } or { classes, values, offsets } for bias but received [1, 2, 3, 4]',
  ),
  wrong(
    'sample: bias by class',
    (api) => api.sample(x, { bias: { 3: 1 } }),
    'TypeError',
    'ERR_UNKNOWN_OPTION',
    'Expected { classes, values } or { classes, values, offsets } for bias but received the key "3"',
  ),
  wrong(
    'sample: bias without values',
    (api) => api.sample(x, { bias: { classes: [1] } }),
    'TypeError',
    type,
    'Expected a Float64Array, Float32Array or array of numbers for bias.values but received undefined',
  ),
  wrong(
    'sample: fewer values',
    (api) => api.sample(x, { bias: { classes: [1, 2], values: [1] } }),
    'RangeError',
    shape,
    'Expected 2 entries, as many as classes, for bias.values but received [1]',
  ),
  wrong(
    'sample: a bias of NaN',
    (api) => api.sample(x, { bias: { classes: [1], values: [Number.NaN] } }),
    'RangeError',
    range,
    'Expected a number below Infinity for bias.values[0] but received NaN',
  ),
  wrong(
    'sample: a class of bias that is none',
    (api) => api.sample(x, { bias: { classes: [7], values: [1] } }),
    'RangeError',
    range,
    'Expected an integer from 0 to 3 for bias.classes[0] but received 7',
  ),
  wrong(
    'sample: rawLogProbabilities',
    (api) => api.sample(x, { count: 2, rawLogProbabilities: new Float32Array(1) }),
    'RangeError',
    shape,
    'Expected a Float32Array or Float64Array of length 2 for rawLogProbabilities but received a Float32Array of length 1',
  ),
  wrong(
    'sample: count',
    (api) => api.sample(x, { count: 0 }),
    'RangeError',
    range,
    'Expected an integer from 1 to 4294967295 for count but received 0',
  ),
  wrong(
    'sample: out',
    (api) => api.sample(x, { out: new Int32Array(1) }),
    'TypeError',
    type,
    'Expected a Uint32Array of length 1 for out but received an Int32Array of length 1',
  ),
  wrong(
    'sample: logProbabilities',
    (api) => api.sample(x, { count: 2, logProbabilities: new Float32Array(1) }),
    'RangeError',
    shape,
    'Expected a Float32Array or Float64Array of length 2 for logProbabilities but received a Float32Array of length 1',
  ),
  wrong(
    'crossEntropy: no targets',
    (api) => api.crossEntropy(x, undefined),
    'TypeError',
    type,
    'Expected a Float32Array, Float64Array, Float16Array, Uint16Array with a dtype, tensor or array of numbers for targets but received undefined',
  ),
  wrong(
    'crossEntropy: a target that is no class',
    (api, gradient) => api.crossEntropy(x, [4], { gradient }),
    'RangeError',
    range,
    'Expected an integer from 0 to 3 for targets[0] but received 4',
  ),
  wrong(
    'crossEntropy: the second of two targets',
    (api, gradient) => api.crossEntropy(x, Int32Array.of(0, 7), { shape: [2, 2], gradient }),
    'RangeError',
    range,
    'Expected an integer from 0 to 1 for targets[1] but received 7',
  ),
  wrong(
    'crossEntropy: a bigint that is no class',
    (api, gradient) => api.crossEntropy(x, BigInt64Array.of(-1n), { gradient }),
    'RangeError',
    range,
    'Expected an integer from 0 to 3 for targets[0] but received -1n',
  ),
  wrong(
    'crossEntropy: too many targets',
    (api, gradient) => api.crossEntropy(x, Int32Array.of(0, 1), { gradient }),
    'RangeError',
    shape,
    'Expected one class for each of 1 rows for targets but received an Int32Array of length 2',
  ),
  wrong(
    'crossEntropy: distributions of another shape',
    (api, gradient) => api.crossEntropy(x, new Float32Array(3), { gradient }),
    'RangeError',
    shape,
    'Expected one class per row, or the shape of x, [4], for targets but received a Float32Array of length 3',
  ),
  wrong(
    'crossEntropy: distributions of another type',
    (api, gradient) => api.crossEntropy(x, new Float64Array(4), { gradient }),
    'TypeError',
    type,
    'Expected float32, the type of x, for targets but received a Float64Array of length 4',
  ),
  wrong(
    'crossEntropy: a target that would have to be made a number first',
    (api, gradient) => api.crossEntropy(x, ['-100'], { gradient }),
    'TypeError',
    type,
    'Expected an integer for targets[0] but received "-100"',
  ),
  wrong(
    'crossEntropy: a target past the end of its ragged row',
    (api, gradient) => api.crossEntropy(x, [0, 1], { offsets: [0, 3, 4], gradient }),
    'RangeError',
    range,
    'Expected an integer from 0 to 0 for targets[1] but received 1',
  ),
  wrong(
    'crossEntropy: reduction',
    (api, gradient) => api.crossEntropy(x, [0], { reduction: 'max', gradient }),
    'RangeError',
    range,
    'Expected one of mean, sum, none for reduction but received "max"',
  ),
  wrong(
    'crossEntropy: ignoreIndex',
    (api, gradient) => api.crossEntropy(x, [0], { ignoreIndex: 0.5, gradient }),
    'RangeError',
    range,
    'Expected an integer from -2147483648 to 2147483647 for ignoreIndex but received 0.5',
  ),
  wrong(
    'crossEntropy: ignoreIndex of null',
    (api, gradient) => api.crossEntropy(x, [0], { ignoreIndex: null, gradient }),
    'TypeError',
    type,
    'Expected an integer from -2147483648 to 2147483647 for ignoreIndex but received null',
  ),
  wrong(
    'crossEntropy: labelSmoothing',
    (api, gradient) => api.crossEntropy(x, [0], { labelSmoothing: 2, gradient }),
    'RangeError',
    range,
    'Expected a number from 0 to 1 for labelSmoothing but received 2',
  ),
  wrong(
    'crossEntropy: weights',
    (api, gradient) => api.crossEntropy(x, [0], { weights: [1], gradient }),
    'RangeError',
    shape,
    'Expected 4 entries for weights but received [1]',
  ),
  wrong(
    'crossEntropy: gradient',
    (api) => api.crossEntropy(x, [0], { gradient: new Float64Array(4) }),
    'TypeError',
    type,
    'Expected a Float32Array of length 4 for gradient but received a Float64Array of length 4',
  ),
  wrong(
    'crossEntropy: a gradient over a part of x',
    (api, out) => api.crossEntropy(out.subarray(1), [0], { gradient: out.subarray(0, 3) }),
    'RangeError',
    overlap,
    'Expected x itself, or memory that does not overlap x for gradient but received a view that overlaps part of it',
  ),
  wrong(
    'crossEntropy: a gradient over the targets',
    (api, gradient) => api.crossEntropy(x, new Int32Array(gradient.fill(0).buffer, 0, 1), { gradient }),
    'RangeError',
    overlap,
    'Expected memory that does not overlap targets for gradient but received a view that overlaps it',
  ),
  wrong(
    'crossEntropy: out without a loss per row',
    (api) => api.crossEntropy(x, [0], { out: new Float32Array(1) }),
    'TypeError',
    conflict,
    "Expected reduction 'none' together with it for out but received a Float32Array of length 1",
  ),
];

const all = { logits, options, outputs, others };

describe.each(Object.entries(all))('%s', (_, cases) => {
  test.each(cases.map((item) => [item.title, item] as const))('%s', async (_title, item) => {
    for (const api of [sync, promises] as unknown as Api[]) {
      const out = new Float32Array(4).fill(untouched);
      let error: unknown;
      if (api === (sync as unknown)) {
        try {
          item.call(api, out);
        } catch (thrown) {
          error = thrown;
        }
      } else {
        const promise = item.call(api, out); // must not throw by itself
        expect(promise).toBeInstanceOf(Promise);
        error = await (promise as Promise<unknown>).then(
          () => undefined,
          (reason) => reason,
        );
      }
      expect(error, 'an error').toBeInstanceOf(Error);
      const { name, code, message } = error as Error & { code: string };
      expect({ name, code }).toEqual({ name: item.kind, code: item.code });
      expect(message).toMatch(/^Expected .+ for .+ but received .+/);
      expect(message.slice(0, item.message.length)).toBe(item.message);
      expect([...new Set(out)].every((value) => value === untouched || value === 0)).toBe(true);
    }
  });
});

describe('prepare', () => {
  const prepare = sync.prepare as unknown as (op: unknown, options: unknown) => { run(): unknown };
  test.each([
    [
      'relu',
      {},
      'RangeError',
      range,
      'Expected one of softmax, logSoftmax, logSumExp, topK, sample, crossEntropy, entropy, sigmoid, logSigmoid, klDivergence, logProb, binaryCrossEntropy for op',
    ],
    ['softmax', undefined, 'TypeError', type, 'Expected an object for options but received undefined'],
    ['softmax', {}, 'TypeError', type, 'Expected an array of integers for shape but received undefined'],
    [
      'softmax',
      { shape: [-1] },
      'RangeError',
      range,
      'Expected an integer of at least 0 for shape[0] but received -1',
    ],
    ['softmax', { shape: [4], dtype: 'int8' }, 'RangeError', range, 'Expected one of float32, float64,'],
    [
      'softmax',
      { shape: [4], out: x },
      'TypeError',
      conflict,
      'Expected no out: prepared calls have memory of their own, for options',
    ],
    ['softmax', { shape: [4], tempreature: 1 }, 'TypeError', 'ERR_UNKNOWN_OPTION', 'Expected one of '],
    [
      'softmax',
      { shape: [4], axis: 2 },
      'RangeError',
      range,
      'Expected an integer from -1 to 0 for axis but received 2',
    ],
    [
      'topK',
      { shape: [4] },
      'TypeError',
      type,
      'Expected an integer from 0 to 4 for k but received undefined',
    ],
    [
      'topK',
      { shape: [4], k: 5 },
      'RangeError',
      range,
      'Expected an integer from 0 to 4 for k but received 5',
    ],
    [
      'crossEntropy',
      { shape: [4], gradient: x },
      'TypeError',
      type,
      'Expected true or false for gradient but received a Float32Array',
    ],
    [
      'softmax',
      { shape: [4], lengths: detached() },
      'TypeError',
      type,
      'Expected a Uint32Array, Int32Array, BigInt64Array or array of integers for lengths but received a',
    ],
  ])('%s %j', (op, given, name, code, message) => {
    let error: unknown;
    try {
      prepare(op, given);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toMatchObject({ name, code });
    expect((error as Error).message.slice(0, message.length)).toBe(message);
  });

  test('a target that is no class is found by the run', () => {
    const call = sync.prepare('crossEntropy', { shape: [2, 2] });
    call.targets.set([0, 2]);
    expect(() => call.run()).toThrow(
      expect.objectContaining({
        code: range,
        message: 'Expected an integer from 0 to 1 for targets[1] but received 2',
      }),
    );
  });

  test('a disposed call does not run', async () => {
    const call = sync.prepare('softmax', { shape: [4] });
    call[Symbol.dispose]();
    call[Symbol.dispose]();
    expect(() => call.run()).toThrow(expect.objectContaining({ code: 'ERR_DISPOSED' }));
    await expect(call.runAsync()).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
  });

  test('a running call does not run twice', async () => {
    const call = sync.prepare('softmax', { shape: [4] });
    const running = call.runAsync();
    expect(() => call.run()).toThrow(expect.objectContaining({ code: 'ERR_BUSY' }));
    await expect(call.runAsync()).rejects.toMatchObject({ code: 'ERR_BUSY' });
    await running;
    call.run();
  });
});

describe('signal', () => {
  test('is unknown to synchronous calls', () => {
    const softmax = sync.softmax as Call;
    expect(() => softmax(x, { signal: new AbortController().signal })).toThrow(
      expect.objectContaining({ code: 'ERR_UNKNOWN_OPTION' }),
    );
  });

  test('must be one', async () => {
    const wrongSignal = 5 as unknown as AbortSignal;
    await expect(promises.softmax(x, { signal: wrongSignal })).rejects.toMatchObject({
      name: 'TypeError',
      code: type,
      message: 'Expected an AbortSignal for signal but received 5',
    });
  });

  test('aborted before the start, nothing runs', async () => {
    const out = new Float32Array(4).fill(untouched);
    const reason = new Error('enough');
    await expect(promises.softmax(x, { out, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect([...out]).toEqual([untouched, untouched, untouched, untouched]);
  });
});

describe('environment', () => {
  afterEach(() => {
    vi.unstubAllEnvs();
    vi.doUnmock('#addon');
    vi.resetModules();
  });

  const noModules = { isas: [] as string[], isPending: false, open: (_: string): unknown => undefined };

  async function load(
    variables: { [name: string]: string },
    loaded: object,
    modules = noModules,
  ): Promise<typeof sync> {
    vi.resetModules();
    vi.doMock('#addon', () => ({ loadAddon: () => loaded, wasmHere: () => modules }));
    for (const name of ['SIMD_SOFTMAX_BACKEND', 'SIMD_SOFTMAX_THREADS'])
      vi.stubEnv(name, variables[name] ?? '');
    return import('../lib/index.js');
  }

  const loadError = new Error('no such file');
  const missing = { addon: null, loadError };

  test('without the addon everything works, and loadError says why', async () => {
    const { backend, softmax } = await load({}, missing);
    expect(backend).toMatchObject({ kind: 'js', isa: 'js', supported: ['js'], threads: 1 });
    expect(backend.loadError).toBe(loadError);
    expect(softmax([0, 0])).toEqual([0.5, 0.5]);
    expect(() => softmax([0, 0], { backend: 'native' })).toThrow(
      expect.objectContaining({ code: 'ERR_BACKEND_UNAVAILABLE', cause: loadError, name: 'RangeError' }),
    );
  });

  test.each(['native', 'avx2', 'neon'])('%s cannot be forced where it is not there', async (name) => {
    const { softmax } = await load({ SIMD_SOFTMAX_BACKEND: name }, missing);
    const thrown = expect.objectContaining({
      code: 'ERR_BACKEND_UNAVAILABLE',
      cause: loadError,
      message: `Expected one of js (the addon could not be loaded: see cause) for SIMD_SOFTMAX_BACKEND but received "${name}"`,
    });
    expect(() => softmax([0])).toThrow(thrown);
    expect(() => softmax(new Float32Array(1))).toThrow(thrown);
  });

  describe('without the addon, with WebAssembly', () => {
    const isas = ['wasm-relaxed', 'wasm'];
    const opened: string[] = [];
    const modules = {
      isas,
      isPending: false,
      open(isa: string) {
        opened.push(isa);
        return { kind: 'wasm', isa, run() {}, async runAsync() {} };
      },
    };

    test('the best module serves', async () => {
      const { backend } = await load({}, missing, modules);
      expect(backend).toMatchObject({ kind: 'wasm', isa: 'wasm-relaxed', threads: 1, loadError });
      expect(backend.supported).toEqual([...isas, 'js']);
    });

    test.each(isas)('%s can be forced', async (isa) => {
      const { backend } = await load({ SIMD_SOFTMAX_BACKEND: isa }, missing, modules);
      expect(backend).toMatchObject({ kind: 'wasm', isa });
    });

    test('nothing is compiled where js is forced, until a call asks for it', async () => {
      opened.length = 0;
      const { backend, softmax } = await load({ SIMD_SOFTMAX_BACKEND: 'js' }, missing, modules);
      expect(backend.kind).toBe('js');
      expect(opened).toEqual([]);
      softmax([0, 0], { backend: 'wasm' });
      expect(opened).toEqual(['wasm-relaxed']);
    });

    test('until modules arrive, js serves and nothing is decided', async () => {
      const coming = { ...modules, isas: [] as string[], isPending: true };
      const { backend, softmax } = await load({}, missing, coming);
      expect(softmax(Float32Array.of(0, 0))).toEqual(Float32Array.of(0.5, 0.5));
      expect(backend.kind).toBe('js');
      Object.assign(coming, { isas, isPending: false });
      expect(backend.kind).toBe('wasm');
    });

    test('a module that cannot be opened leaves js', async () => {
      const { backend } = await load({}, missing, { ...modules, open: () => undefined as never });
      expect(backend.kind).toBe('js');
    });
  });

  test('js can always be forced', async () => {
    expect((await load({ SIMD_SOFTMAX_BACKEND: 'js' }, missing)).backend.kind).toBe('js');
  });

  test.each([
    [
      'SIMD_SOFTMAX_BACKEND',
      'sse9',
      'Expected one of auto, native, avx512, avx2, neon, portable, wasm-relaxed, wasm, js for',
    ],
    [
      'SIMD_SOFTMAX_THREADS',
      '0',
      'Expected an integer of at least 1 for SIMD_SOFTMAX_THREADS but received "0"',
    ],
    ['SIMD_SOFTMAX_THREADS', 'two', 'Expected an integer of at least 1 for SIMD_SOFTMAX_THREADS but'],
  ])('%s=%s is an error', async (name, value, message) => {
    const { backend } = await load({ [name]: value }, missing);
    for (const _ of ['the first look', 'and the next']) {
      const error = await Promise.resolve()
        .then(() => backend.kind)
        .catch((reason: unknown) => reason);
      expect(error).toMatchObject({ name: 'RangeError', code: range });
      expect((error as Error).message.slice(0, message.length)).toBe(message);
    }
  });
});

describe('A name that another library has for an option gets the right suggestion', () => {
  const sequence =
    'count, for so many draws from the same row; for a sequence, call sample with offset 0, 1, 2, …';
  test.each([
    ['top_p', 'topP'],
    ['top_k', 'topK'],
    ['min_p', 'minP'],
    ['topp', 'topP'],
    ['topPp', 'topP'],
    ['logprobs', 'logProbabilities'],
    ['do_sample', 'temperature, 0 for the likeliest class'],
    ['num_return_sequences', 'count'],
    ['max_tokens', sequence],
    ['maxNewTokens', sequence],
    ['random_state', 'seed'],
    ['logit_bias', 'bias'],
    ['repetition_penalty', 'repetitionPenalty'],
    ['repeat_penalty', 'repetitionPenalty'],
    ['frequency_penalty', 'frequencyPenalty'],
    ['presence_penalty', 'presencePenalty'],
    ['prompt_token_ids', 'prompt'],
  ])('%s: %s', (name, meant) => {
    expect(() => sync.sample(x, { [name]: 1 })).toThrow(`"${name}" (did you mean ${meant}?)`);
  });

  test('so are those of other functions, and of prepared calls', () => {
    const labels = ['a', 'b', 'c', 'd'];
    for (const [name, meant] of [
      ['function_to_apply', 'activation'],
      ['top_k', 'k'],
      ['id2label', 'labels'],
      ['mask', 'where'],
      ['dim', 'axis'],
    ] as const)
      expect(() => sync.classify(x, { labels, [name]: 1 })).toThrow(`"${name}" (did you mean ${meant}?)`);
    expect(() => sync.softmax(x, { dim: 0 } as object)).toThrow('"dim" (did you mean axis?)');
    for (const [op, name, meant] of [
      ['klDivergence', 'y', 'other'],
      ['binaryCrossEntropy', 'target', 'targets'],
      ['logProb', 'class', 'classes'],
    ] as const)
      expect(() => sync.prepare(op as 'logProb', { shape: [4], [name]: [] } as object as never)).toThrow(
        `"${name}" (did you mean ${meant}?)`,
      );
    expect(() => sync.klDivergence(x, x, { y: x } as object)).toThrow(/received "y"$/);
  });

  test('the second argument of klDivergence is y, and other where it is prepared', () => {
    const [a, b] = [new Float32Array(2), new Float32Array(3)];
    expect(() => sync.klDivergence(a, b)).toThrow('for y but received');
    const floats = new Float32Array(4);
    expect(() =>
      sync.klDivergence(floats.subarray(0, 2), floats.subarray(2), { out: floats.subarray(2, 3) }),
    ).toThrow('does not overlap y for out');
    expect(() => sync.prepare('klDivergence', { shape: [2], other: b })).toThrow('for other but received');
  });

  test('classify refuses a k of null, as topK does', () => {
    const labels = ['a', 'b', 'c', 'd'];
    for (const backend of ['auto', 'js'] as const)
      expect(() => sync.classify(x, { labels, k: null as never, backend })).toThrow(
        'for k but received null',
      );
    expect(() => sync.classify(x, { labels, k: null as never })).toThrow('for k but received null');
  });

  test('and a name that nothing is like gets none', () => {
    for (const name of ['constructor', '__proto', 'zzzzzzzz', 'stop', 'step'])
      expect(() => sync.sample(x, { [name]: 1 })).toThrow(new RegExp(`received "${name}"$`));
  });
});
