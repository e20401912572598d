/** Arrays in every form that a .npy, a .npz or safetensors gives them. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { elementKind, openArray, readWhole } from '../lib/cli/arrays.js';
import { readTruth } from '../lib/cli/classes.js';
import { openInput } from '../lib/cli/input.js';
import { scoreFile } from '../lib/cli/score-file.js';
import type { ScoreFileOptions } from '../lib/cli/score-job.js';
import { softmax } from '../lib/index.js';
import { bitsOf, numbers } from './elements.js';
import { Random } from './random.js';

const folder = mkdtempSync(join(tmpdir(), 'simd-softmax-arrays-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string) => join(folder, name);
const cases = join(import.meta.dirname, 'cases');

const A = [1.5, 0.5, 2];
const B = [0.2, 2.2, 1];
const scored = (rows: readonly (readonly number[])[]) =>
  rows.flatMap((row) => Array.from(softmax(Float32Array.from(row))));

async function score(input: string, options: Partial<ScoreFileOptions> = {}) {
  const report = await scoreFile({ ...options, input, output: at('out.npy') });
  return { report, ...(await array(at('out.npy'))) };
}

async function array(path: string) {
  const source = await openInput(path);
  const stored = await openArray(source);
  const element = elementKind(stored.dtype)!;
  const { buffer } = await readWhole(stored, element).finally(() => source.close());
  const data = element.bytes === 8 ? new Float64Array(buffer) : new Float32Array(buffer);
  return { shape: stored.shape, dtype: stored.dtype, data: Array.from(data) };
}

/** A .npy as others write it: the data may begin anywhere. */
function npy(descr: string, shape: readonly number[], data: Uint8Array, fortran = false, begin = 80): Buffer {
  const order = fortran ? 'True' : 'False';
  const tuple = `(${shape.join(', ')}${shape.length === 1 ? ',' : ''})`;
  const text = `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${tuple}, }`;
  const header = `${text.padEnd(begin - 11)}\n`;
  const size = Buffer.alloc(2);
  size.writeUInt16LE(header.length);
  return Buffer.concat([Buffer.from('\x93NUMPY\x01\x00', 'latin1'), size, Buffer.from(header), data]);
}

const floats = (values: Iterable<number>) => Buffer.from(Float32Array.from(values).buffer);

describe('.npy', () => {
  test('Fortran order, as MATLAB, Octave and Julia write every matrix', async () => {
    const { shape, data } = await score(join(cases, 'fortran.npy'));
    expect(shape).toEqual([2, 3]);
    expect(data).toEqual(scored([A, B]));
  });

  test.each([
    [[7, 5], -1],
    [[7, 5], 0],
    [[3, 4, 5], -1],
    [[3, 4, 5], 1],
    [[3, 4, 5], 0],
    [[1, 6, 1], 1],
    [[2, 3, 2, 2], 2],
    [[300, 40], -1],
  ])('Fortran order of shape %j along axis %i', async (shape, axis) => {
    const count = shape.reduce((a, b) => a * b);
    const x = new Random(`fortran${shape}`).fill(new Float32Array(count), 9);
    const columns = new Float32Array(count);
    const index = shape.map(() => 0);
    for (let i = 0; i < count; i++) {
      columns[index.reduceRight((sum, at, d) => sum * shape[d] + at, 0)] = x[i];
      for (let d = shape.length - 1; d >= 0 && ++index[d] === shape[d]; d--) index[d] = 0;
    }
    const expected = Array.from(softmax(x, { shape, axis }));
    for (const descr of ['<f4', '>f4']) {
      const bytes = floats(columns);
      writeFileSync(at('in.npy'), npy(descr, shape, descr === '>f4' ? bytes.swap32() : bytes, true));
      // Several blocks.
      const whole = await score(at('in.npy'), { axis, blockBytes: 500 });
      expect(whole.shape).toEqual(shape);
      expect(whole.data).toEqual(expected);
    }
    if (shape.length === 2 && axis === -1) {
      const part = await score(at('in.npy'), { rows: [2, 5], blockBytes: 40 });
      expect(part.data).toEqual(expected.slice(2 * shape[1], 5 * shape[1]));
    }
  });

  test('big-endian floats of 2, 4 and 8 bytes', async () => {
    const bits = Uint16Array.from([...A, ...B], (value) => bitsOf(value, 'float16'));
    const exact = numbers(bits, 'float16');
    const halves = Buffer.from(bits.buffer).swap16();
    writeFileSync(at('f2.npy'), npy('>f2', [2, 3], halves));
    expect((await score(at('f2.npy'))).data).toEqual(
      scored([Array.from(exact.subarray(0, 3)), Array.from(exact.subarray(3))]),
    );
    writeFileSync(at('f4.npy'), npy('>f4', [2, 3], floats([...A, ...B]).swap32()));
    expect((await score(at('f4.npy'))).data).toEqual(scored([A, B]));
    const doubles = Buffer.from(Float64Array.from([...A, ...B]).buffer).swap64();
    writeFileSync(at('f8.npy'), npy('>f8', [2, 3], doubles));
    const { dtype, data } = await score(at('f8.npy'));
    expect(dtype).toBe('<f8');
    expect(data).toEqual(Array.from(softmax(Float64Array.from([...A, ...B]), { shape: [2, 3] })));
  });

  test('bfloat16 with --dtype, and an error that says so without', async () => {
    const path = join(cases, 'bfloat16.npy');
    const { dtype, data, report } = await score(path, { dtype: 'bfloat16' });
    expect(dtype).toBe('<f4');
    expect(report.dtype).toBe('bfloat16');
    const expected = [0.3315, 0.12195, 0.54655, 0.09402, 0.69677, 0.20921];
    expect(data).toEqual(expected.map((value) => expect.closeTo(value, 4)));
    await expect(score(path)).rejects.toMatchObject({
      exitCode: 1,
      message: `Expected floats of 2, 4 or 8 bytes for the dtype of ${path} but received <V2 (bfloat16? --dtype bfloat16 reads it so)`,
    });
    await expect(score(join(cases, 'fortran.npy'), { dtype: 'bfloat16' })).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringMatching(
        /^Expected <V2 or <u2 for --dtype for the dtype of .* but received <f[48]$/,
      ),
    });
  });

  test.each(['<i4', '|b1', '<c8', '<U3', '<f16', '|V4', 'toString'])(
    '%s is refused by its name',
    async (descr) => {
      writeFileSync(at('odd.npy'), npy(descr, [2, 3], Buffer.alloc(48)));
      await expect(score(at('odd.npy'))).rejects.toMatchObject({
        message: `Expected floats of 2, 4 or 8 bytes for the dtype of ${at('odd.npy')} but received ${descr}`,
      });
    },
  );

  test('more rows than anyone can count are refused at once', async () => {
    await expect(score(join(cases, 'zero-classes.npy'))).rejects.toMatchObject({ exitCode: 1 });
  });
});

describe('the truth', () => {
  test.each<[string, ArrayBufferView]>([
    ['|u1', Uint8Array.of(2, 1)],
    ['<u1', Uint8Array.of(2, 1)],
    ['|i1', Int8Array.of(2, 1)],
    ['<i1', Int8Array.of(2, 1)],
    ['<u2', Uint16Array.of(2, 1)],
    ['<i2', Int16Array.of(2, 1)],
    ['<i4', Int32Array.of(2, 1)],
    ['<u4', Uint32Array.of(2, 1)],
    ['<i8', BigInt64Array.of(2n, 1n)],
    ['<u8', BigUint64Array.of(2n, 1n)],
  ])('as %s', async (descr, values) => {
    const bytes = Buffer.from(values.buffer);
    writeFileSync(at('truth.npy'), npy(descr, [2], bytes));
    expect(await readTruth(at('truth.npy'), 2, 3)).toEqual(Float64Array.of(2, 1));
    // A column, in Fortran order, is the same bytes.
    writeFileSync(at('truth.npy'), npy(descr, [2, 1], bytes, true));
    expect(await readTruth(at('truth.npy'), 2, 3)).toEqual(Float64Array.of(2, 1));
  });

  test('as bits, and big-endian', async () => {
    for (const descr of ['|b1', '<b1']) {
      writeFileSync(at('truth.npy'), npy(descr, [3], Uint8Array.of(1, 0, 1)));
      expect(await readTruth(at('truth.npy'), 3, 2)).toEqual(Float64Array.of(1, 0, 1));
    }
    writeFileSync(at('truth.npy'), npy('>i4', [2], Uint8Array.of(0, 0, 0, 2, 0, 0, 0, 1)));
    expect(await readTruth(at('truth.npy'), 2, 3)).toEqual(Float64Array.of(2, 1));
    writeFileSync(at('truth.npy'), npy('<f4', [2], floats([2, 1])));
    await expect(readTruth(at('truth.npy'), 2, 3)).rejects.toThrow(
      `Expected integers for the dtype of ${at('truth.npy')} but received <f4`,
    );
  });
});

describe('.npz', () => {
  test.each(['stored', 'deflated'])('members of an archive, %s', async (kind) => {
    const path = join(cases, `${kind}.npz`);
    for (const member of ['logits', 'logits.npy', 'columns']) {
      const { shape, data } = await score(`${path}#${member}`);
      expect(shape).toEqual([2, 3]);
      expect(data).toEqual(scored([A, B]));
    }
    const { report } = await score(`${path}#logits`, { truth: `${path}#truth` });
    expect(report.accuracy).toEqual({ correct: 2, rows: 2 });
    await expect(score(path)).rejects.toMatchObject({
      message: `Expected the name of one array behind a # for ${path} but received logits, truth, columns`,
    });
    await expect(score(`${path}#other`)).rejects.toMatchObject({
      message: `Expected an array other for ${path} but received logits, truth, columns`,
    });
    await expect(score(`${path}#truth`)).rejects.toMatchObject({
      message: expect.stringContaining('received <i8'),
    });
  });

  test('a lone member needs no name, through a pipe neither', async () => {
    const { data, dtype } = await score(join(cases, 'lone.npz'));
    expect(dtype).toBe('<f8');
    expect(data).toEqual(scored([A, B]).map((value) => expect.closeTo(value, 6)));
    const cli = join(import.meta.dirname, '..', 'dist', 'cli.js');
    const input = readFileSync(join(cases, 'lone.npz'));
    const { stdout, stderr } = spawnSync(process.execPath, [cli, 'score', '-', '-o', '-', '-q'], { input });
    expect(stderr.toString()).toBe('');
    expect(stdout).toEqual(readFileSync(at('out.npy')));
  });

  test('damaged anywhere, ends in one line or is read', async () => {
    for (const name of ['stored.npz', 'deflated.npz']) {
      const written = readFileSync(join(cases, name));
      for (let start = 0; start < written.length; start += 3) {
        for (const value of [0, 0xff, 0x55]) {
          writeFileSync(
            at('damaged.npz'),
            Buffer.from(written).fill(value, start, Math.min(start + 3, written.length)),
          );
          const failure = await score(`${at('damaged.npz')}#logits`).then(
            () => undefined,
            (error: unknown) => error,
          );
          if (failure) expect(failure, `${name} ${start}: ${value}`).toMatchObject({ exitCode: 1 });
        }
      }
    }
  });
});

describe('safetensors', () => {
  const path = join(cases, 'tensors.safetensors');

  test('F16, BF16, F32 and F64', async () => {
    expect((await score(`${path}#logits`)).data).toEqual(scored([A, B]));
    const near = scored([A, B]).map((value) => expect.closeTo(value, 2));
    for (const [name, dtype] of [
      ['half', 'float16'],
      ['brain', 'bfloat16'],
      ['double', 'float64'],
    ]) {
      const { report, data } = await score(`${path}#${name}`);
      expect(report.dtype).toBe(dtype);
      expect(data).toEqual(near);
    }
  });

  test('the truth of one tensor, the logits of another', async () => {
    for (const truth of ['truth', 'odd']) {
      const { report } = await score(`${path}#logits`, { truth: `${path}#${truth}` });
      expect(report.accuracy).toEqual({ correct: 2, rows: 2 });
    }
  });

  test('which tensor has to be said', async () => {
    await expect(score(path)).rejects.toMatchObject({
      message: expect.stringMatching(
        /^Expected the name of one tensor behind a # for .* but received .*logits/,
      ),
    });
    await expect(score(`${path}#x`)).rejects.toMatchObject({
      message: expect.stringMatching(/^Expected a tensor x for /),
    });
  });

  test('a header that is padded with spaces, and one that tells of more than there is', async () => {
    const tensor = (header: object, data: Buffer) => {
      const text = Buffer.from(JSON.stringify(header).padEnd(128));
      const size = Buffer.alloc(8);
      size.writeBigUInt64LE(128n);
      return Buffer.concat([size, text, data]);
    };
    const entry = (shape: number[], offsets: number[]) => ({
      x: { dtype: 'F32', shape, data_offsets: offsets },
    });
    writeFileSync(at('x.safetensors'), tensor(entry([2, 3], [0, 24]), floats([...A, ...B])));
    expect((await score(at('x.safetensors'))).data).toEqual(scored([A, B]));
    for (const [wrong, message] of [
      [entry([2, 3], [0, 48]), 'Expected 24 bytes of data'],
      [entry([4, 3], [0, 48]), 'Expected 48 bytes of data'],
      [entry([2, 2 ** 52], [0, 24]), 'Expected '],
      [entry([2, 3], [-24, 0]), 'Expected a shape and offsets'],
      [{ x: null }, 'Expected a shape and offsets'],
      [{ x: { dtype: 'F8_E4M3', shape: [24], data_offsets: [0, 24] } }, 'Expected F16, BF16, F32 or F64'],
    ] as const) {
      writeFileSync(at('x.safetensors'), tensor(wrong, floats([...A, ...B])));
      await expect(score(at('x.safetensors'))).rejects.toThrow(message);
    }
  });
});
