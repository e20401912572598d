import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { elementKind, openArray, readWhole } from '../lib/cli/arrays.js';
import { Failure } from '../lib/cli/failure.js';
import { ByteSource } from '../lib/cli/input.js';
import { formatNpyHeader, readNpyHeader } from '../lib/cli/npy-header.js';
import { parsePythonLiteral } from '../lib/cli/python-literal.js';
import { best, rowsAlong } from '../lib/cli/rows.js';

async function read(source: ByteSource) {
  const array = await openArray(source);
  const element = elementKind(array.dtype);
  if (!element) throw new Failure(`Expected another dtype than ${array.dtype}`);
  const { buffer } = await readWhole(array, element);
  const data =
    element.bytes === 8
      ? new Float64Array(buffer)
      : new Float32Array(buffer, 0, Math.floor(buffer.byteLength / 4));
  return { dtype: array.dtype, shape: array.shape, data };
}

/** The bytes in pieces of the given sizes, over and over: a pipe cuts anywhere. */
function inPieces(bytes: Uint8Array, sizes: readonly number[]): ByteSource {
  async function* pieces() {
    let at = 0;
    for (let i = 0; at < bytes.length; i++) {
      const size = sizes[i % sizes.length];
      yield bytes.subarray(at, at + size);
      at += size;
    }
  }
  return new ByteSource('x.npy', pieces());
}

const whole = (bytes: Uint8Array) => inPieces(bytes, [Math.max(1, bytes.length)]);

function header(text: string, version = 1): Buffer {
  const size = Buffer.alloc(version === 1 ? 2 : 4);
  size.writeUIntLE(Buffer.byteLength(text), 0, size.length);
  return Buffer.concat([
    Buffer.from([0x93]),
    Buffer.from(`NUMPY${String.fromCharCode(version, 0)}`),
    size,
    Buffer.from(text),
  ]);
}

/** An array whose NaNs are all the same NaN, so that bytes can be compared. */
const array = fc
  .tuple(fc.constantFrom('<f4' as const, '<f8' as const), fc.array(fc.nat({ max: 5 }), { maxLength: 5 }))
  .chain(([dtype, shape]) => {
    const length = shape.reduce((product, n) => product * n, 1);
    const values = dtype === '<f4' ? fc.float32Array : fc.float64Array;
    return fc.record({
      dtype: fc.constant(dtype),
      shape: fc.constant(shape),
      data: values({ minLength: length, maxLength: length }),
    });
  });

const bytesOf = (data: Float32Array | Float64Array) =>
  Buffer.from(data.buffer, data.byteOffset, data.byteLength);

describe('.npy', () => {
  test('what is written is read back, however the pipe cuts it', async () => {
    await fc.assert(
      fc.asyncProperty(
        array,
        fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1 }),
        async ({ dtype, shape, data }, sizes) => {
          const file = Buffer.concat([formatNpyHeader(`'${dtype}'`, shape), bytesOf(data)]);
          const back = await read(inPieces(file, sizes));
          expect(back.dtype).toBe(dtype);
          expect(back.shape).toEqual(shape);
          expect(bytesOf(back.data).equals(bytesOf(data))).toBe(true);
        },
      ),
    );
  });

  test('a file cut anywhere is an error, never a shorter array', async () => {
    await fc.assert(
      fc.asyncProperty(
        array,
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        async ({ dtype, shape, data }, part) => {
          const file = Buffer.concat([formatNpyHeader(`'${dtype}'`, shape), bytesOf(data)]);
          await expect(read(whole(file.subarray(0, Math.floor(part * file.length))))).rejects.toThrow(
            Failure,
          );
        },
      ),
    );
  });

  test('a file with any bytes changed is read or refused, and nothing else', async () => {
    const file = Buffer.concat([formatNpyHeader("'<f4'", [2, 3]), bytesOf(new Float32Array(6))]);
    const change = fc.record({ at: fc.nat({ max: file.length - 1 }), to: fc.nat({ max: 255 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
        const broken = Buffer.from(file);
        for (const { at, to } of changes) broken[at] = to;
        const outcome = await read(whole(broken)).catch((error: unknown) => error);
        if (outcome instanceof Error) expect(outcome).toBeInstanceOf(Failure);
      }),
      { numRuns: 1000 },
    );
  });

  test('the header is padded so that the data starts at a multiple of 64, and ends with a newline', () => {
    for (const shape of [[], [3], [2000, 10], Array(40).fill(1)]) {
      const bytes = formatNpyHeader("'<f4'", shape);
      expect(bytes.length % 64).toBe(0);
      expect(bytes.at(-1)).toBe(0x0a);
    }
  });

  test('a header too long for version 1 is written as version 2', async () => {
    const shape = Array<number>(30_000).fill(1);
    const bytes = formatNpyHeader("'<f8'", shape);
    expect(bytes[6]).toBe(2);
    expect((await readNpyHeader(whole(bytes))).shape).toEqual(shape);
  });

  test.each([1, 2, 3])('version %i is read', async (version) => {
    const text = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n";
    const back = await read(whole(Buffer.concat([header(text, version), bytesOf(Float32Array.of(1, 2))])));
    expect([...back.data]).toEqual([1, 2]);
  });

  test('the header may be written in other ways: order, quotes, spaces, long integers, a list', async () => {
    for (const text of [
      `{"shape":(2,3),"fortran_order":False,"descr":"<f4"}`,
      "{ 'fortran_order' : False , 'descr' : '<f4' , 'shape' : [ 2L , 3L ] }",
    ]) {
      const { shape } = await readNpyHeader(whole(header(text)));
      expect(shape).toEqual([2, 3]);
    }
  });

  test('with one long dimension, Fortran order is C order', async () => {
    const text = "{'descr': '<f4', 'fortran_order': True, 'shape': (1, 2, 1)}";
    const back = await read(whole(Buffer.concat([header(text), bytesOf(Float32Array.of(1, 2))])));
    expect([...back.data]).toEqual([1, 2]);
  });

  const FLOAT = "'descr': '<f4', 'fortran_order'";
  test.each([
    ['a missing key', "{'descr': '<f4', 'shape': (2,)}"],
    ['a negative length', `{${FLOAT}: False, 'shape': (-2,)}`],
    ['a shape that is no tuple', `{${FLOAT}: False, 'shape': 2}`],
    ['an order that is no boolean', `{${FLOAT}: 0, 'shape': (2,)}`],
    ['code', '__import__("os").system("true")'],
    ['nothing', ''],
    ['something after it', `{${FLOAT}: False, 'shape': (2,)} + 1`],
    ['deep nesting', '['.repeat(10_000)],
  ])('a header with %s is refused', async (_, text) => {
    await expect(readNpyHeader(whole(header(text)))).rejects.toThrow('Expected a .npy header for x.npy');
  });

  test.each([
    ["{'descr': '<f4', 'fortran_order': False, 'shape': (99999999, 99999999)}", 'that fits in memory'],
    [
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 4)}",
      'Expected 32 bytes of data for x.npy but received 24',
    ],
    [
      "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2)}",
      'Expected 8 bytes of data for x.npy but received more',
    ],
  ])('%s is refused', async (text, message) => {
    await expect(read(whole(Buffer.concat([header(text), Buffer.alloc(24)])))).rejects.toThrow(message);
  });
});

test('Python literals', () => {
  expect(parsePythonLiteral(" (1, 'a', [True, None], ) ")).toEqual([1, 'a', [true, null]]);
  expect(parsePythonLiteral('{}')).toEqual(new Map());
  for (const text of ['', '(1', '1 2', '(,)', "{'a'}", "{'a' 1}", "'a", '(1 2)', ')']) {
    expect(() => parsePythonLiteral(text), text).toThrow(SyntaxError);
  }
});

test('best agrees with sorting: descending, NaN first, of equals the lower class', () => {
  const score = fc.oneof(fc.constantFrom(0, -0, 1, Number.NaN, Infinity, -Infinity), fc.double());
  fc.assert(
    fc.property(fc.array(score), fc.integer({ min: 1, max: 12 }), (scores, k) => {
      const rank = (value: number) => (Number.isNaN(value) ? 1 : 0);
      const sorted = scores
        .map((_, i) => i)
        .sort(
          (a, b) =>
            rank(scores[b]) - rank(scores[a]) ||
            (scores[a] < scores[b] ? 1 : scores[a] > scores[b] ? -1 : a - b),
        );
      expect(best(scores, k)).toEqual(sorted.slice(0, k));
    }),
  );
});

test('rows along any axis', () => {
  const data = Float32Array.from({ length: 24 }, (_, i) => i);
  expect([...rowsAlong(data, [2, 3, 4], 2).at(1)]).toEqual([4, 5, 6, 7]);
  expect([...rowsAlong(data, [2, 3, 4], 1).at(5)]).toEqual([13, 17, 21]);
  expect([...rowsAlong(data, [2, 3, 4], 0).at(7)]).toEqual([7, 19]);
  expect(rowsAlong(data, [2, 3, 4], 1).count).toBe(8);
});
