/** Arrays whose properties say other than the engine knows, and memory that goes while arguments are read. */
import { describe, expect, test, vi } from 'vitest';
import * as sync from '../lib/index.js';
import * as promises from '../lib/promises.js';

type Call = (...args: readonly unknown[]) => unknown;
const { softmax, logSumExp, topK, sample, crossEntropy, prepare } = sync as unknown as Record<string, Call>;
const ownSoftmax = promises.softmax as unknown as (...args: readonly unknown[]) => Promise<unknown>;

const logits = [1, 2, 3, 4];
const right = [...sync.softmax(Float32Array.from(logits))];
const backends = sync.backend.kind === 'native' ? ['native', 'js'] : ['js'];

function detach(view: ArrayBufferView): void {
  if (view.byteLength > 0) structuredClone(view.buffer, { transfer: [view.buffer as ArrayBuffer] });
}

/** An array with own properties. */
function lying<A extends object>(array: A, properties: { readonly [name: string]: unknown }): A {
  for (const name in properties) Object.defineProperty(array, name, { value: properties[name] });
  return array;
}

const lies: readonly [string, (array: Float32Array) => Float32Array][] = [
  ...[0, 2, 600, 2 ** 40, 2 ** 64, NaN, -1, 'four'].map(
    (length) =>
      [`length ${length}`, (array: Float32Array) => lying(array, { length })] as [
        string,
        (array: Float32Array) => Float32Array,
      ],
  ),
  [
    'another length at every look',
    (array) => {
      let looks = 0;
      return Object.defineProperty(array, 'length', { get: () => (looks++ < 3 ? 4 : 600) });
    },
  ],
  ['another buffer', (array) => lying(array, { buffer: new SharedArrayBuffer(8) })],
  ['another byteOffset', (array) => lying(array, { byteOffset: 64, byteLength: 0 })],
  ['another constructor', (array) => lying(array, { constructor: Uint8Array })],
  [
    'methods of its own',
    (array) => lying(array, { slice: () => array, subarray: () => array, set: () => {}, fill: () => {} }),
  ],
  ['the prototype of another kind', (array) => Object.setPrototypeOf(array, Float64Array.prototype)],
  ['no prototype', (array) => Object.setPrototypeOf(array, null)],
];

describe.each(lies)('An array with %s is what the engine knows it to be', (_, tell) => {
  const honest = () => Float32Array.from(logits);

  test('as x', () => {
    expect([...(softmax(tell(honest())) as Float32Array)]).toEqual(right);
    for (const backend of backends) {
      expect([...(softmax(tell(honest()), { backend }) as Float32Array)]).toEqual(right);
      expect([...(logSumExp(tell(honest()), { backend }) as Float32Array)]).toEqual([
        ...sync.logSumExp(honest()),
      ]);
      expect(crossEntropy(tell(honest()), [1], { backend })).toBeCloseTo(sync.crossEntropy(honest(), [1]), 6);
    }
  });

  test('as out', () => {
    for (const options of [{}, ...backends.map((backend) => ({ backend })), { shape: [1, 4] }]) {
      const out = honest();
      const told = tell(out);
      expect(softmax(honest(), { ...options, out: told })).toBe(told);
      expect(Array.from({ length: 4 }, (__, i) => out[i])).toEqual(right);
    }
  });

  test('in a promise', async () => {
    const many = new Float32Array(8192).fill(1);
    const out = new Float32Array(8192);
    const told = tell(out);
    for (const backend of backends) {
      expect(await ownSoftmax(tell(many.slice()), { backend, out: told, shape: [-1, 8192] })).toBe(told);
      expect(out[0]).toBe(1 / 8192);
      expect(out[8191]).toBe(1 / 8192);
    }
  });

  test('when prepared', () => {
    const masked = Uint8Array.of(1, 1, 0, 0);
    const call = prepare('softmax', { shape: [4], where: tell(masked as never) }) as { run(): Float32Array };
    const before = [...call.run()];
    for (let i = 0; i < 4; i++) masked[i] = 1;
    expect([...call.run()]).toEqual(before);
    expect(before[3]).toBe(0);
  });
});

describe('Memory that goes while arguments are read is an error', () => {
  const taken = { code: 'ERR_DETACHED', name: 'TypeError' };

  /** A list whose only entry takes the memory of `view` away. */
  function taking(view: ArrayBufferView, entry: number): number[] {
    return Object.defineProperty([entry], 0, {
      get() {
        detach(view);
        return entry;
      },
    });
  }

  test.each(backends)('of x, a mask, an output (%s)', async (backend) => {
    const x = new Float32Array(8).fill(1);
    const where = new Uint8Array(8);
    const out = new Float32Array(8);
    for (const name of ['x', 'where', 'out'] as const) {
      const copies = { x: x.slice(), where: where.slice(), out: out.slice() };
      const options = { where: copies.where, out: copies.out, backend, shape: [1, 8] };
      const lengths = taking(copies[name], 8);
      expect(() => softmax(copies.x, { ...options, lengths })).toThrow(expect.objectContaining(taken));
    }
    await expect(ownSoftmax(x, { where, lengths: taking(where, 8), backend })).rejects.toMatchObject(taken);
  });

  test.each(backends)('of a mask, by the signal (%s)', async (backend) => {
    for (const count of [8, 8192]) {
      const where = new Uint8Array(count);
      const signal = { aborted: false, addEventListener() {}, removeEventListener() {}, throwIfAborted };
      let asked = 0;
      function throwIfAborted() {
        if (++asked === 2) detach(where);
      }
      const call = ownSoftmax(new Float32Array(count), { where, signal, backend });
      await expect(call).rejects.toMatchObject(taken);
    }
  });

  test('by the shape', () => {
    const x = new Float32Array(1000);
    expect(() => softmax(x, { shape: taking(x, 1000) })).toThrow(expect.objectContaining(taken));
  });
});

describe('Lengths that overflow', () => {
  test.each([
    ['sample count', () => sample(new Float32Array(4096), { shape: [4096, 1], count: 2 ** 52 })],
    ['sample count of one row', () => sample(new Float32Array(4), { count: 2 ** 40 })],
    ['topK of ragged rows', () => topK(new Float32Array(4), 2 ** 40, { offsets: [0, 4] })],
    ['a prepared shape', () => prepare('softmax', { shape: [2 ** 31, 2 ** 21] })],
  ])('are refused: %s', (_, call) => {
    expect(call).toThrow(expect.objectContaining({ name: 'RangeError', code: 'ERR_OUT_OF_RANGE' }));
  });
});

describe('A prepared call copies its arrays', () => {
  test('a Buffer, whose slice() is a view', () => {
    const where = Buffer.from([1, 1, 0, 0]);
    const call = sync.prepare('softmax', { shape: [1, 4], where });
    where.fill(1);
    expect([...call.run()]).toEqual([0.5, 0.5, 0, 0]);
  });

  test('of classes with a species of their own', () => {
    class Lengths extends Uint32Array {
      override slice(): Uint32Array<ArrayBuffer> {
        return this as unknown as Uint32Array<ArrayBuffer>;
      }
      static get [Symbol.species]() {
        return class {} as never;
      }
    }
    const lengths = new Lengths(2).fill(1);
    const call = sync.prepare('softmax', { shape: [2, 2], lengths });
    lengths.fill(0xfffffff0);
    expect([...call.run()]).toEqual([1, 0, 1, 0]);
  });

  test('in a tensor', () => {
    const data = Buffer.from([1, 0]);
    const call = sync.prepare('softmax', { shape: [2], where: { data, dims: [2] } });
    data.fill(1);
    expect([...call.run()]).toEqual([1, 0]);
  });
});

describe('Tensors that do not lie row-major from the start of their data', () => {
  const data = Float64Array.of(1, 4, 2, 5, 3, 7);
  const shape = [2, 3];

  const refused: readonly [string, object][] = [
    ['strides', { strides: [1, 2], offset: 0, order: 'column-major' }], // @stdlib/ndarray, vectorious
    ['strides', { strides: Int32Array.of(1, 2) }],
    ['strides', { strides: [-3, 1] }],
    ['stride', { stride: [1, 2] }], // ndarray
    ['offset', { strides: [3, 1], offset: 1 }],
    ['offset', { offset: 1 }],
    ['order', { order: 'column-major' }],
    ['order', { order: 'F' }],
    ['fortranOrder', { fortranOrder: true }],
    ['fortran_order', { fortran_order: true }],
  ];

  test.each(refused)('are refused for their %s: %j', (name, more) => {
    const tensor = { data, shape, ...more };
    const message = (of: string) =>
      expect.objectContaining({
        name: 'RangeError',
        code: 'ERR_SHAPE_MISMATCH',
        message: expect.stringMatching(`^Expected .* data for ${of}\\.${name} but received `),
      });
    expect(() => softmax(tensor)).toThrow(message('x'));
    expect(() => softmax(data, { shape, out: tensor })).toThrow(message('out'));
    expect(() => crossEntropy(data, tensor, { shape })).toThrow(message('targets'));
    const where = { data: new Uint8Array(6), shape, ...more };
    expect(() => softmax(data, { shape, where })).toThrow(message('where'));
    expect(() => prepare('softmax', { shape, where })).toThrow(message('where'));
  });

  test.each([
    { strides: [3, 1], offset: 0, order: 'row-major' },
    { stride: [3, 1], offset: 0 },
    { strides: BigInt64Array.of(3n, 1n), order: 'C' },
    { fortranOrder: false },
  ])('but not those that do: %o', (more) => {
    const expected = sync.softmax(data, { shape });
    expect((softmax({ data, shape, ...more }) as { data: Float64Array }).data).toEqual(expected);
  });

  test('nor those of one row, in which the order means nothing', () => {
    class Ndarray {
      readonly data = Float64Array.of(1, 2, 3);
      readonly shape = [1, 3];
      readonly strides = [1, 1];
      readonly offset = 0;
      readonly order = 'column-major';
    }
    expect((softmax(new Ndarray()) as { data: Float64Array }).data).toEqual(
      sync.softmax(Float64Array.of(1, 2, 3)),
    );
  });
});

describe('An output on an immutable ArrayBuffer', () => {
  /** Node 26 has them behind a flag; here, a getter that says so stands in for the engine's. */
  test('is refused, and stays as it is', async () => {
    const immutable = new WeakSet<object>();
    const own = Object.getOwnPropertyDescriptor(ArrayBuffer.prototype, 'immutable');
    Object.defineProperty(ArrayBuffer.prototype, 'immutable', {
      configurable: true,
      get(this: object) {
        return immutable.has(this);
      },
    });
    vi.resetModules();
    try {
      const fresh = (await import('../lib/index.js')) as unknown as Record<string, Call>;
      const fixed = <A extends { buffer: object }>(array: A) => {
        immutable.add(array.buffer);
        return array;
      };
      const x = Float32Array.from(logits);
      const out = fixed(Float32Array.from(logits));
      const indices = fixed(new Uint32Array(1));
      const logProbabilities = fixed(new Float64Array(1));
      const refusal = expect.objectContaining({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' });
      expect(() => fresh.softmax(x, { out })).toThrow(refusal);
      expect(() => fresh.softmax(out, { out })).toThrow(refusal);
      expect(() => fresh.softmax(x, { out, shape: [2, 2] })).toThrow(refusal);
      expect(() => fresh.crossEntropy(x, [0], { gradient: out })).toThrow(refusal);
      expect(() => fresh.topK(x, 1, { out: { probabilities: new Float32Array(1), indices } })).toThrow(
        refusal,
      );
      expect(() => fresh.sample(x, { logProbabilities })).toThrow(refusal);
      expect(() => fresh.sample(x, { out: indices })).toThrow(refusal);
      expect([...out]).toEqual(logits);
      expect([...(fresh.softmax(out) as Float32Array)]).toEqual(right);
      expect([...(fresh.softmax(x, { out: new Float32Array(4) }) as Float32Array)]).toEqual(right);
    } finally {
      if (own) Object.defineProperty(ArrayBuffer.prototype, 'immutable', own);
      else delete (ArrayBuffer.prototype as { immutable?: unknown }).immutable;
      vi.resetModules();
    }
  });
});
