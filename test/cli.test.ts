import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Decimal } from 'decimal.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { formatNpyHeader } from '../lib/cli/npy-header.js';
import { newProgressDisplay } from '../lib/cli/progress.js';
import { EXACT_CASES, type Operations, selfTest } from '../lib/cli/selftest.js';
import { lookOf } from '../lib/cli/streams.js';
import { bar, formatScore, rankedTable } from '../lib/cli/table.js';
import * as library from '../lib/index.js';
import packageJson from '../package.json' with { type: 'json' };

const ROOT = join(import.meta.dirname, '..');
const CLI = join(ROOT, 'dist', 'cli.js');
const DIGITS = join(ROOT, 'test', 'digits');
const POSIX = process.platform !== 'win32';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'simd-softmax-cli-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Run {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

interface Setting {
  readonly input?: Uint8Array;
  readonly env?: NodeJS.ProcessEnv;
}

function start(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const child = spawn(process.execPath, [CLI, ...args], { cwd: folder, env: { ...process.env, ...env } });
  child.stdin.on('error', () => {});
  const stdout: Buffer[] = [];
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk;
  });
  const ended = once(child, 'close').then(
    ([code, signal]): Run => ({ code, signal, stdout: Buffer.concat(stdout), stderr }),
  );
  return { child, ended };
}

function run(args: readonly string[], { input, env }: Setting = {}): Promise<Run> {
  const { child, ended } = start(args, env);
  child.stdin.end(input);
  return ended;
}

type Data = Float32Array | Float64Array | Uint16Array | Uint8Array | Int32Array;
const DTYPES = new Map<unknown, string>([
  [Float32Array, '<f4'],
  [Float64Array, '<f8'],
  [Uint16Array, '<f2'],
  [Uint8Array, '|u1'],
  [Int32Array, '<i4'],
]);

function npy(data: Data, shape: readonly number[]): Buffer {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return Buffer.concat([formatNpyHeader(`'${DTYPES.get(data.constructor)}'`, shape), bytes]);
}

function put(name: string, content: Uint8Array | string): string {
  writeFileSync(join(folder, name), content);
  return name;
}

/** The data of a written file, whose header must be the one that is expected. */
function dataOf(file: Buffer, dtype: string, shape: readonly number[]): Buffer {
  const header = formatNpyHeader(dtype, shape);
  expect(file.subarray(0, header.length).toString('latin1')).toBe(Buffer.from(header).toString('latin1'));
  return file.subarray(header.length);
}

/** Logits of any size that look like logits; the same every time. */
const logits = (length: number) => Float32Array.from({ length }, (_, i) => 5 * Math.sin(i * i + 1));
const CANONICAL = Float64Array.of(3.2, 1.3, 0.2, 0.8);
const ANIMALS = 'dog\ncat\nhorse\ncheetah\n';

describe('score', () => {
  test('the canonical example: a dog, with probability 0.775', async () => {
    put('animals.npy', npy(CANONICAL, [4]));
    put('animals.txt', ANIMALS);
    const { code, stdout, stderr } = await run(['score', 'animals.npy', '--labels', 'animals.txt']);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    const lines = stdout.toString().split('\n');
    expect(lines[0]).toBe('row  class     score');
    expect(lines[1]).toMatch(/^ {2}0 {2}dog {6}0\.7751 {2}█+.?$/);
    expect(lines[2]).toMatch(/^ {5}cat {6}0\.1159 {2}█+.?$/);
    expect(lines[3]).toMatch(/^ {5}cheetah {2}0\.0703 {2}█+.?$/);
    expect(lines[4]).toMatch(/^ {5}horse {4}0\.0386 {2}█.?$/);
    expect(lines[6]).toMatch(/^softmax of 1 row of 4 classes in .*s: .* rows\/s \(.*, \d+ threads?\)$/);
  });

  test('npm start: the digits', async () => {
    const [command, script, ...args] = packageJson.scripts.start.split(' ');
    expect([command, script]).toEqual(['node', 'dist/cli.js']);
    const inRoot = args.map((arg) => (arg.startsWith('test/') ? join(ROOT, arg) : arg));
    const { code, stdout } = await run(inRoot);
    expect(code).toBe(0);
    const text = stdout.toString();
    expect(text.match(/^ +\d+ {2}[✓✗] /gm)).toHaveLength(10);
    expect(text.match(/^ {10,}\w/gm)).toHaveLength(20);
    const [, percent] = text.match(/^accuracy (\d\d\.\d\d) %: 1,\d{3} of 2,000 rows right$/m) ?? [];
    expect(Number(percent)).toBeGreaterThan(88);
    expect(Number(percent)).toBeLessThan(94);
  });

  test('--json tells all that the text tells', async () => {
    put('animals.npy', npy(CANONICAL, [1, 4]));
    put('animals.txt', ANIMALS);
    put('truth.npy', npy(Uint8Array.of(0), [1]));
    const { stdout } = await run([
      ...['score', 'animals.npy', '--json', '--labels', 'animals.txt', '--truth', 'truth.npy'],
      ...['--top-k', '2', '--temperature', '2'],
    ]);
    const exact = library.softmax(CANONICAL, { temperature: 2 });
    expect(JSON.parse(stdout.toString())).toEqual({
      input: 'animals.npy',
      op: 'softmax',
      shape: [1, 4],
      dtype: 'float64',
      axis: 1,
      temperature: 2,
      rows: 1,
      classes: 4,
      seconds: expect.any(Number),
      elapsed: expect.any(Number),
      resumed: 0,
      bytes: 160,
      bad: { count: 0, first: [] },
      nan: { count: 0, first: [] },
      rowsPerSecond: expect.any(Number),
      backend: { kind: library.backend.kind, isa: library.backend.isa, threads: library.backend.threads },
      accuracy: { correct: 1, rows: 1, fraction: 1 },
      results: [
        {
          row: 0,
          truth: { class: 0, label: 'dog' },
          best: [
            { class: 0, label: 'dog', score: exact[0] },
            { class: 1, label: 'cat', score: exact[1] },
          ],
        },
      ],
    });
  });

  test('--json names NaN and the infinities', async () => {
    put('odd.npy', npy(Float32Array.of(Number.NaN, 1, -Infinity, 2), [2, 2]));
    const { stdout } = await run(['score', 'odd.npy', '--json', '--op', 'log-softmax']);
    const scores = JSON.parse(stdout.toString()).results.map(({ best }: { best: { score: unknown }[] }) =>
      best.map(({ score }) => score),
    );
    expect(scores).toEqual([
      ['NaN', 'NaN'],
      [0, '-Infinity'],
    ]);
  });

  test('a row of NaN is never right', async () => {
    put('nan.npy', npy(Float32Array.of(Number.NaN, 1, 1, 0), [2, 2]));
    put('truth.npy', npy(Int32Array.of(0, 0), [2]));
    const { stdout } = await run(['score', 'nan.npy', '--truth', 'truth.npy']);
    expect(stdout.toString()).toContain('accuracy 50.00 %: 1 of 2 rows right');
  });

  test('--rows: ten by default, none where the result goes to a file, all when asked', async () => {
    put('many.npy', npy(logits(36), [12, 3]));
    const rows = async (...args: string[]) => {
      const { stdout } = await run(['score', 'many.npy', '--json', ...args]);
      return JSON.parse(stdout.toString()).results.length;
    };
    expect(await rows()).toBe(10);
    expect(await rows('--rows', '2')).toBe(2);
    expect(await rows('--rows', 'all')).toBe(12);
    expect(await rows('-o', 'rows.npy')).toBe(0);
    expect(await rows('-o', 'rows.npy', '--rows', '3')).toBe(3);
  });

  test.each([
    [[0, 4], 0],
    [[3, 0], 3],
    [[0], 1],
  ])('shape %j has %i rows', async (shape, count) => {
    put('empty.npy', npy(new Float32Array(0), shape));
    const { code, stdout } = await run(['score', 'empty.npy', '-o', 'empty-out.npy']);
    expect(code).toBe(0);
    expect(stdout.toString()).toContain(`softmax of ${count} row`);
    expect(dataOf(readFileSync(join(folder, 'empty-out.npy')), "'<f4'", shape)).toHaveLength(0);
  });
});

describe('-o', () => {
  const OPS = [
    ['softmax', library.softmax],
    ['log-softmax', library.logSoftmax],
  ] as const;

  test.each(OPS)('%s, float32, another axis, a temperature: the bits of the library', async (op, call) => {
    const x = logits(2 * 3 * 4);
    put('x.npy', npy(x, [2, 3, 4]));
    await run(['score', 'x.npy', '--op', op, '--axis', '-2', '--temperature', '0.7', '-o', 'y.npy']);
    const expected = call(x, { shape: [2, 3, 4], axis: 1, temperature: 0.7 });
    const data = dataOf(readFileSync(join(folder, 'y.npy')), "'<f4'", [2, 3, 4]);
    expect(data.equals(Buffer.from(expected.buffer))).toBe(true);
  });

  test('logsumexp, float64: the axis is gone', async () => {
    const x = Float64Array.from(logits(24));
    put('x.npy', npy(x, [2, 3, 4]));
    await run(['score', 'x.npy', '--op', 'logsumexp', '--axis', '1', '-o', 'y.npy']);
    const data = dataOf(readFileSync(join(folder, 'y.npy')), "'<f8'", [2, 4]);
    expect(data.equals(Buffer.from(library.logSumExp(x, { shape: [2, 3, 4], axis: 1 }).buffer))).toBe(true);
  });

  test('float16 is widened, and the result is float32', async () => {
    put('half.npy', npy(Uint16Array.of(0x3c00, 0x4000, 0xfc00), [3])); // 1, 2, -Infinity
    await run(['score', 'half.npy', '-o', 'y.npy']);
    const data = dataOf(readFileSync(join(folder, 'y.npy')), "'<f4'", [3]);
    expect(data.equals(Buffer.from(library.softmax(Float32Array.of(1, 2, -Infinity)).buffer))).toBe(true);
  });

  test('with --top-k: records of the classes and their scores', async () => {
    put('x.npy', npy(Float32Array.of(1, 3, 2, 5, 5, 4), [2, 3]));
    await run(['score', 'x.npy', '--top-k', '2', '-o', 'top.npy']);
    const dtype = "[('class', '<u4', (2,)), ('score', '<f4', (2,))]";
    const data = dataOf(readFileSync(join(folder, 'top.npy')), dtype, [2]);
    const whole = library.softmax(Float32Array.of(1, 3, 2, 5, 5, 4), { shape: [2, 3] });
    const record = (row: number) => ({
      classes: [data.readUInt32LE(row * 16), data.readUInt32LE(row * 16 + 4)],
      scores: [data.readFloatLE(row * 16 + 8), data.readFloatLE(row * 16 + 12)],
    });
    expect(record(0)).toEqual({ classes: [1, 2], scores: [whole[1], whole[2]] });
    expect(record(1)).toEqual({ classes: [0, 1], scores: [whole[3], whole[4]] });
    expect(data).toHaveLength(32);
  });

  test('stdin to stdout: nothing but the array on stdout, the report on stderr', async () => {
    const { code, stdout, stderr } = await run(['score', '-', '-o', '-'], { input: npy(logits(20), [5, 4]) });
    expect(code).toBe(0);
    const expected = library.softmax(logits(20), { shape: [5, 4] });
    expect(dataOf(stdout, "'<f4'", [5, 4]).equals(Buffer.from(expected.buffer))).toBe(true);
    expect(stderr).toContain('softmax of 5 rows of 4 classes');
  });

  test('> and >> of a shell: the bytes of -o, behind those that are there', async () => {
    const x = put('x.npy', npy(logits(20), [5, 4]));
    await run(['score', x, '-o', 'y.npy']);
    const score = `"$0" "$1" score ${x} -q -o -`;
    const line = `(printf before; ${score}) > out; ${score} >> out`;
    const { status } = spawnSync('sh', ['-c', line, process.execPath, CLI], { cwd: folder });
    expect(status).toBe(0);
    const [out, y] = ['out', 'y.npy'].map((name) => readFileSync(join(folder, name)));
    expect(out.equals(Buffer.concat([Buffer.from('before'), y, y]))).toBe(true);
  });

  test('more than is given to the disk at a time: the bits of the library', async () => {
    const rows = 90_000;
    const x = logits(rows * 100);
    put('large.npy', npy(x, [rows, 100]));
    expect((await run(['score', 'large.npy', '-q', '-o', 'large-out.npy'])).code).toBe(0);
    const data = dataOf(readFileSync(join(folder, 'large-out.npy')), "'<f4'", [rows, 100]);
    expect(data.equals(Buffer.from(library.softmax(x, { shape: [rows, 100] }).buffer))).toBe(true);
  });

  test('--quiet prints nothing at all', async () => {
    const input = npy(logits(20), [5, 4]);
    const { code, stdout, stderr } = await run(['score', '-', '-o', 'quiet.npy', '-q'], { input });
    expect({ code, stdout: stdout.toString(), stderr }).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(existsSync(join(folder, 'quiet.npy'))).toBe(true);
  });

  test('a file is not scored onto itself, by whatever name', async () => {
    const before = npy(logits(8), [2, 4]);
    put('self.npy', before);
    symlinkSync('self.npy', join(folder, 'self-link.npy'));
    for (const output of ['self.npy', './self.npy', 'self-link.npy']) {
      const { code, stderr } = await run(['score', 'self.npy', '-o', output]);
      expect(code).toBe(2);
      expect(stderr).toBe(`simd-softmax: Expected another file than is read for -o but received ${output}\n`);
    }
    expect(readFileSync(join(folder, 'self.npy')).equals(before)).toBe(true);
  });

  test.runIf(POSIX)(
    'an existing file keeps its mode, a link stays a link, a device stays a device',
    async () => {
      mkdirSync(join(folder, 'links'));
      put('links/real.npy', 'old');
      chmodSync(join(folder, 'links/real.npy'), 0o600);
      symlinkSync('real.npy', join(folder, 'links/link.npy'));
      put('x.npy', npy(logits(8), [2, 4]));
      expect((await run(['score', 'x.npy', '-o', 'links/link.npy'])).code).toBe(0);
      expect(readdirSync(join(folder, 'links')).sort()).toEqual(['link.npy', 'real.npy']);
      expect(readFileSync(join(folder, 'links/real.npy'))).toHaveLength(128 + 32);
      expect(statSync(join(folder, 'links/real.npy')).mode & 0o777).toBe(0o600);
      expect((await run(['score', 'x.npy', '-o', '/dev/null'])).code).toBe(0);
      expect(statSync('/dev/null').isCharacterDevice()).toBe(true);
    },
  );
});

describe('errors: one line on stderr, nothing on stdout, nothing left behind', () => {
  const good = npy(logits(8), [2, 4]);
  const structured = Buffer.concat([formatNpyHeader("[('a', '<f4')]", [1]), Buffer.alloc(4)]);
  const withHeader = (text: string) =>
    Buffer.concat([
      Buffer.from('\x93NUMPY\x01\x00', 'latin1'),
      Buffer.from([text.length, 0]),
      Buffer.from(text),
    ]);
  const FILES: Record<string, Uint8Array | string> = {
    'good.npy': good,
    'short.npy': good.subarray(0, 140),
    'header.npy': good.subarray(0, 50),
    'long.npy': Buffer.concat([good, Buffer.alloc(1)]),
    'none.npy': '',
    'text.npy': '1,2,3\n',
    'binary.npy': Buffer.from([0, 1, 2, 255, 254, 253, 252, 251, 250]),
    'zip.npz': 'PK\x03\x04rest of it',
    'v9.npy': Buffer.from('\x93NUMPY\x09\x00', 'latin1'),
    'huge-header.npy': Buffer.from('\x93NUMPY\x02\x00\xff\xff\xff\xff', 'latin1'),
    'fortran.npy': withHeader("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 4)}"),
    'big-endian.npy': withHeader("{'descr': '>f8', 'fortran_order': False, 'shape': (2, 4)}"),
    'int.npy': npy(Int32Array.of(1, 2), [2]),
    'structured.npy': structured,
    'scalar.npy': npy(Float32Array.of(1), []),
    'three.txt': 'a\nb\nc\n',
    'truth3.npy': npy(Uint8Array.of(0, 1, 2), [3]),
    'truth9.npy': npy(Uint8Array.of(0, 9), [2]),
    'truth-float.npy': npy(Float32Array.of(0, 1), [2]),
  };
  beforeAll(() => {
    for (const [name, content] of Object.entries(FILES)) put(name, content);
    mkdirSync(join(folder, 'empty-folder'));
  });

  const DTYPE = 'Expected floats of 2, 4 or 8 bytes for the dtype of';
  test.each<[string, number, string]>([
    // The input, the disk: 1.
    [
      'score nowhere.npy',
      1,
      'Expected a readable file for nowhere.npy but received ENOENT (no such file or directory)',
    ],
    ['score empty-folder', 1, 'Expected files of logits for empty-folder but received none'],
    ['score short.npy', 1, 'Expected 32 bytes of data for short.npy but received 12 (the file is truncated)'],
    [
      'score header.npy',
      1,
      'Expected a whole .npy header for header.npy but received a part of it (the file is truncated)',
    ],
    ['score long.npy', 1, 'Expected 32 bytes of data for long.npy but received more'],
    ['score none.npy', 1, 'Expected a .npy file for none.npy but received nothing'],
    [
      'score text.npy',
      1,
      'Expected a .npy file for text.npy but received a file that starts with "1,2,3\\n"',
    ],
    [
      'score binary.npy',
      1,
      'Expected a .npy file for binary.npy but received a file that starts with 000102fffefdfcfb',
    ],
    [
      'score zip.npz',
      1,
      'Expected a zip archive for zip.npz but received one without a directory (the file is truncated)',
    ],
    ['score v9.npy', 1, 'Expected .npy version 1, 2 or 3 for v9.npy but received 9'],
    [
      'score huge-header.npy',
      1,
      'Expected a header of at most 1048576 bytes for huge-header.npy but received 4294967295',
    ],
    [
      'score fortran.npy',
      1,
      'Expected 32 bytes of data for fortran.npy but received 0 (the file is truncated)',
    ],
    [
      'score big-endian.npy',
      1,
      'Expected 64 bytes of data for big-endian.npy but received 0 (the file is truncated)',
    ],
    ['score int.npy', 1, `${DTYPE} int.npy but received <i4`],
    ['score structured.npy', 1, `${DTYPE} structured.npy but received a structured dtype`],
    ['score scalar.npy', 1, 'Expected at least one dimension for scalar.npy but received a single number'],
    ['score -', 1, 'Expected a .npy file for stdin but received nothing'],
    [
      'score good.npy --labels nowhere.txt',
      1,
      'Expected a readable file for nowhere.txt but received ENOENT (no such file or directory)',
    ],
    [
      'score good.npy --labels three.txt',
      1,
      'Expected 4 class names, one per line, for three.txt but received 3',
    ],
    [
      'score good.npy --truth truth3.npy',
      1,
      'Expected 2 class numbers, one per row, for truth3.npy but received 3',
    ],
    [
      'score good.npy --truth truth9.npy',
      1,
      'Expected class numbers from 0 to 3 for truth9.npy but received 9 at row 1',
    ],
    [
      'score good.npy --truth truth-float.npy',
      1,
      'Expected integers for the dtype of truth-float.npy but received <f4',
    ],
    [
      'score good.npy -o nowhere/out.npy',
      1,
      'Expected a writable file for nowhere/out.npy but received ENOENT (no such file or directory)',
    ],
    ['score good.npy -o .', 2, 'Expected another folder than that of the inputs for -o but received .'],
    // The command: 2.
    ['scor good.npy', 2, 'Expected a known command but received scor (did you mean score?)'],
    ['frobnicate', 2, 'Expected a known command but received frobnicate (see simd-softmax --help)'],
    ['help frobnicate', 2, 'Expected a known command for help but received frobnicate'],
    ['--jsn', 2, 'Expected a known option but received --jsn (see simd-softmax --help)'],
    ['score good.npy --top 3', 2, 'Expected a known option but received --top (did you mean --op?)'],
    ['score', 2, 'Expected a value for <file> but received nothing'],
    ['score good.npy animals.npy', 2, 'Expected a folder as -o for several inputs but received nothing'],
    ['score nothing*.npy', 1, "Expected files that match for 'nothing*.npy' but received none"],
    ['score good.npy -o', 2, 'Expected a value for -o, --output but received nothing'],
    [
      'score good.npy --op soft',
      2,
      "Expected one of softmax, log-softmax, logsumexp for --op but received 'soft'",
    ],
    ['score good.npy --axis 2', 2, 'Expected an integer from -2 to 1 for --axis but received 2'],
    ['score good.npy --axis -3', 2, 'Expected an integer from -2 to 1 for --axis but received -3'],
    ['score good.npy --keep id', 2, 'Expected an input with columns for --keep but received npy'],
    [
      'score in.ndjson --keep id,day',
      2,
      'Expected --column with the name of the logits for ndjson but received --keep id,day',
    ],
    ['score good.npy --axis x', 2, "Expected an integer for --axis but received 'x'"],
    [
      'score good.npy --temperature 0',
      2,
      "Expected a finite number greater than 0 for --temperature but received '0'",
    ],
    [
      'score good.npy --temperature 1e999',
      2,
      "Expected a finite number greater than 0 for --temperature but received '1e999'",
    ],
    [
      'score good.npy --temperature hot',
      2,
      "Expected a finite number greater than 0 for --temperature but received 'hot'",
    ],
    ['score good.npy --top-k 0', 2, "Expected a positive integer for --top-k but received '0'"],
    ['score good.npy --rows -1', 2, `Expected a number of rows or "all" for --rows but received '-1'`],
    [
      'score good.npy --op logsumexp --top-k 2',
      2,
      'Expected an operation with one score per class for --top-k but received --op logsumexp',
    ],
    ['info --json extra', 2, 'Expected 0 arguments for info but received 1'],
  ])('%s', async (command, exitCode, message) => {
    const before = readdirSync(folder);
    const result = await run(command.split(' '));
    expect({ ...result, stdout: result.stdout.toString() }).toEqual({
      code: exitCode,
      signal: null,
      stdout: '',
      stderr: `simd-softmax: ${message}\n`,
    });
    expect(readdirSync(folder)).toEqual(before);
    // Nor does an output appear for a command that fails later than it opens one.
    if (/^score \S+ *$/.test(command)) {
      expect((await run([...command.split(' '), '-o', 'out.npy'])).code).toBe(exitCode);
      expect(readdirSync(folder)).toEqual(before);
    }
  });

  test('a backend that does not exist', async () => {
    const { code, stderr } = await run(['score', 'good.npy'], { env: { SIMD_SOFTMAX_BACKEND: 'mmx' } });
    expect(code).toBe(2);
    expect(stderr).toMatch(
      /^simd-softmax: Expected one of .* for SIMD_SOFTMAX_BACKEND but received "mmx"\n$/,
    );
  });

  test('a name with a line break stays on one line', async () => {
    const { stderr } = await run(['score', 'two\nlines\x1b[31m.npy']);
    expect(stderr).toBe(
      'simd-softmax: Expected a readable file for two\\nlines\\u001b[31m.npy but received ENOENT (no such file or directory)\n',
    );
  });
});

describe.runIf(POSIX)('pipes, signals and full disks', () => {
  test('names of files, columns and classes do not command the terminal', async () => {
    const name = '\x1b]0;mine\x07\x9b2J\u202e';
    put(`${name}.csv`, `${name},b\n1,2\n`);
    put(`${name}.bad.csv`, `a,${name}\n1,x\n`);
    mkdirSync(join(folder, `${name}.folder`));
    for (const args of [
      [`${name}.csv`],
      [`${name}.csv`, '-o', `${name}.npy`],
      [`${name}.csv`, '--json'],
      [`${name}.csv`, `${name}.bad.csv`, '-o', `${name}.folder/`],
      [`${name}.bad.csv`],
      [`${name}.csv`, '--column', name],
      [`${name}.not-there.csv`],
      [`${name}.csv`, '--op', name],
      [`--${name}`],
    ]) {
      const { stdout, stderr } = await run(['score', ...args]);
      const told = stdout.toString() + stderr;
      expect(told).toContain('mine');
      expect(told, JSON.stringify(told)).not.toMatch(/(?!\n)[\p{Cc}\u202e]/u);
    }
  });

  test('a reader that goes away is no error', async () => {
    const { child, ended } = start(['score', '-', '-o', '-']);
    child.stdin.end(npy(logits(1 << 20), [1 << 18, 4]));
    await once(child.stdout, 'data');
    child.stdout.destroy();
    expect(await ended).toMatchObject({
      code: 0,
      signal: null,
      stderr: expect.not.stringContaining('EPIPE'),
    });
  });

  test('nor does it stop the writing of a file', async () => {
    put('much.npy', npy(logits(1 << 16), [1 << 14, 4]));
    const { child, ended } = start(['score', 'much.npy', '-o', 'much-out.npy', '--rows', 'all']);
    child.stdout.destroy();
    expect(await ended).toMatchObject({ code: 0, signal: null, stderr: '' });
    expect(statSync(join(folder, 'much-out.npy')).size).toBe(128 + 4 * (1 << 16));
  });

  test.runIf(existsSync('/dev/full'))('a full disk under stdout, and under -o', async () => {
    put('x.npy', npy(logits(8), [2, 4]));
    const full = 'but received ENOSPC (no space left on device)';
    const shell = (line: string) =>
      spawnSync('sh', ['-c', line, process.execPath, CLI], { cwd: folder, encoding: 'utf8' });
    expect(shell('"$0" "$1" score x.npy > /dev/full')).toMatchObject({
      status: 1,
      stderr: `simd-softmax: Expected a writable file for stdout ${full}\n`,
    });
    expect(shell('"$0" "$1" score x.npy -o /dev/full')).toMatchObject({
      status: 1,
      stderr: `simd-softmax: Expected a writable file for /dev/full ${full}\n`,
    });
  });

  test('a disk that fills up while writing leaves the old file and nothing else', () => {
    mkdirSync(join(folder, 'full'));
    put('full/out.npy', 'old');
    put('big.npy', npy(logits(1 << 16), [1 << 14, 4]));
    const line = 'ulimit -f 16; "$0" "$1" score big.npy -o full/out.npy';
    const { status, stderr } = spawnSync('bash', ['-c', line, process.execPath, CLI], {
      cwd: folder,
      encoding: 'utf8',
    });
    expect(stderr).toMatch(/^simd-softmax: Expected a writable file for full\/out\.npy but received EFBIG/);
    expect(status).toBe(1);
    expect(readdirSync(join(folder, 'full'))).toEqual(['out.npy']);
    expect(readFileSync(join(folder, 'full/out.npy'), 'utf8')).toBe('old');
  });

  test.each([
    ['SIGINT', 'in the middle of the data', 140],
    ['SIGTERM', 'in the middle of the data', 140],
    ['SIGHUP', 'in the middle of the data', 140],
    ['SIGINT', 'in the middle of the header', 40],
    ['SIGINT', 'before anything came', 0],
  ] as const)('%s %s leaves nothing behind', async (signal, _, bytes) => {
    const place = join(folder, `${signal}-${bytes}`);
    mkdirSync(place);
    const { child, ended } = start(['score', '-', '-o', join(place, 'out.npy')]);
    child.stdin.write(npy(logits(8), [2, 4]).subarray(0, bytes));
    // The temporary file is there from the start, so that this also shows what is cleaned up.
    while (readdirSync(place).length === 0) await sleep(5);
    expect(readdirSync(place)[0]).toMatch(/^out\.npy\.\d+-[0-9a-f]{8}\.part$/);
    child.kill(signal);
    expect(await ended).toMatchObject({ code: null, signal, stderr: '' });
    expect(readdirSync(place)).toEqual([]);
  });
});

test.runIf(POSIX)('SIGINT leaves nothing of a pipe that is put on disk first', async () => {
  const [place, temporary] = ['spooling', 'temporary'].map((name) => join(folder, name));
  for (const made of [place, temporary]) mkdirSync(made);
  const args = ['score', '-', '--format', 'parquet', '-o', join(place, 'out.parquet')];
  const { child, ended } = start(args, { TMPDIR: temporary });
  child.stdin.write(Buffer.alloc(3 << 20));
  while (readdirSync(place).length === 0) await sleep(5);
  await sleep(300);
  child.kill('SIGINT');
  expect(await ended).toMatchObject({ code: null, signal: 'SIGINT', stderr: '' });
  expect([...readdirSync(place), ...readdirSync(temporary)]).toEqual([]);
});

describe('colour', () => {
  const rows = [{ row: 0, truth: { class: 1 }, best: [{ class: 0, label: '馬', score: 0.75 }] }];
  const ESCAPE = '\x1b[';

  test('only where it is wanted, and then it changes nothing else', async () => {
    const options = { width: 80, probability: (score: number) => score };
    const plain = await rankedTable(rows, { ...options, colour: false });
    const coloured = await rankedTable(rows, { ...options, colour: true });
    expect(plain).not.toContain(ESCAPE);
    expect(coloured).toContain(ESCAPE);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: escapes are what it takes away.
    expect(coloured.replace(/\x1b\[\d+m/g, '').replace(/ +$/gm, '')).toBe(plain);
  });

  test('a stream that is no terminal has none', () => {
    expect(lookOf({ hasColors: () => true })).toEqual({ width: 80, colour: false });
    expect(lookOf({ isTTY: true, hasColors: () => true, columns: 120 })).toEqual({
      width: 120,
      colour: true,
    });
    expect(lookOf({ isTTY: true, hasColors: () => false, columns: 120 })).toEqual({
      width: 120,
      colour: false,
    });
  });

  const script = spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout ?? '';
  test.runIf(script.includes('util-linux'))('on a terminal: yes, with NO_COLOR: no', () => {
    put('x.npy', npy(CANONICAL, [4]));
    const onTerminal = (env: NodeJS.ProcessEnv) =>
      spawnSync('script', ['-qec', `"${process.execPath}" "${CLI}" score x.npy`, '/dev/null'], {
        cwd: folder,
        env: { PATH: process.env.PATH, TERM: 'xterm-256color', ...env },
        encoding: 'utf8',
      }).stdout;
    expect(onTerminal({})).toContain(`${ESCAPE}1m`);
    expect(onTerminal({ NO_COLOR: '1' })).not.toContain(ESCAPE);
    expect(onTerminal({ NO_COLOR: '1' })).toContain('0.7751');
  });

  test('a class name cannot reach the terminal', async () => {
    put('x.npy', npy(CANONICAL, [4]));
    put('evil.txt', '\ufeffdog\x1b[2J\r\nc\x07at\r\nhorse\r\ncheetah\r\n');
    const { stdout } = await run(['score', 'x.npy', '--labels', 'evil.txt', '--json']);
    expect(
      JSON.parse(stdout.toString()).results[0].best.map(({ label }: { label: string }) => label),
    ).toEqual(['dog', 'c at', 'cheetah', 'horse']);
  });

  test('bars and scores', () => {
    expect(bar(0, 4)).toBe('');
    expect(bar(1, 4)).toBe('████');
    expect(bar(0.5 + 1 / 32, 4)).toBe('██▏');
    expect(bar(Number.NaN, 4)).toBe('');
    expect([0, 1, 0.77514, 1.234e-5, -2.5, Number.NaN, -Infinity].map(formatScore)).toEqual([
      ...['0', '1', '0.7751', '1.23e-5', '-2.5000', 'NaN', '-Infinity'],
    ]);
  });
});

describe('progress', () => {
  /** What a terminal of so many columns, or a file (0), is shown of a run that is halfway after a while. */
  async function shown(columns: number, wanted = true): Promise<string> {
    let text = '';
    const write = (chunk: string) => {
      text += chunk;
      return true;
    };
    const stream = { write, isTTY: columns > 0, columns } as unknown as NodeJS.WriteStream;
    const display = newProgressDisplay(stream, wanted);
    await sleep(600);
    const [rows, total] = [4_000_000, 8_000_000];
    display.update({ rows, total, resumed: 0, bytesRead: 1, bytesTotal: 2 });
    display.end();
    return text;
  }

  test.each([80, 120])(
    'a bar, the rows, the rate and the time that is left, in %i columns',
    async (columns) => {
      const text = await shown(columns);
      const line = text.match(/█+░+ .* left/)?.[0] ?? '';
      expect(line).toMatch(/^█+░+ 50 % \| 4,000,000 of 8,000,000 rows \| [\d.]+M rows\/s \| \d+ s left$/);
      expect(line.length).toBeLessThanOrEqual(columns);
    },
  );

  test('nothing where it is not wanted, and no bar in a file', async () => {
    expect(await shown(80, false)).toBe('');
    expect(await shown(0)).toBe('');
  });
});

describe('info', () => {
  test('tells what is in use', async () => {
    const { code, stdout } = await run(['info', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout.toString())).toMatchObject({
      version: packageJson.version,
      backend: library.backend.kind,
      isa: library.backend.isa,
      supported: library.backend.supported,
      threads: library.backend.threads,
      node: process.version,
      platform: `${process.platform}-${process.arch}`,
      selfTest: { passed: true, failures: [], cases: 2 * EXACT_CASES.length },
    });
  });

  test('as text', async () => {
    const { code, stdout } = await run(['info'], { env: { SIMD_SOFTMAX_BACKEND: 'js' } });
    expect(code).toBe(0);
    expect(stdout.toString()).toMatch(/^backend {5}js$/m);
    expect(stdout.toString()).toMatch(
      /^self-test {3}passed: 24 of 24 exact cases, largest error \d\.\d\d ULP/m,
    );
  });

  test('the exact cases are exact', () => {
    const Exact = Decimal.clone({ precision: 80, minE: -9e15, maxE: 9e15 });
    for (const { op, x, temperature = 1, exact } of EXACT_CASES) {
      if (x.some(Number.isNaN)) continue;
      const scaled = x.map((value) => (value === -Infinity ? undefined : new Exact(value).div(temperature)));
      const sum = scaled.reduce<Decimal>(
        (total, value) => (value ? total.add(value.exp()) : total),
        new Exact(0),
      );
      const logs = scaled.map((value) => value?.sub(sum.ln()));
      const results = {
        softmax: logs.map((log) => log?.exp().toNumber() ?? 0),
        logSoftmax: logs.map((log) => log?.toNumber() ?? -Infinity),
        logSumExp: [sum.ln().toNumber()],
      };
      expect(results[op], `${op} of ${x}`).toEqual(exact);
    }
  });

  test('the self-test finds a library that is a little wrong', () => {
    const { softmax, logSoftmax, logSumExp } = library;
    const off: Operations = {
      softmax: ((x: Float64Array, options: object) =>
        softmax(x, options).map((p) => p * (1 + 1e-15))) as typeof softmax,
      logSoftmax,
      logSumExp: (x, options) => logSumExp(x, options).fill(0),
    };
    expect(selfTest({ softmax, logSoftmax, logSumExp }).failures).toEqual([]);
    const { failures, worstUlp } = selfTest(off);
    expect(failures.filter((failure) => failure.startsWith('softmax of float64')).length).toBeGreaterThan(2);
    expect(failures.filter((failure) => failure.startsWith('logSumExp')).length).toBe(6);
    expect(worstUlp.float64).toBeGreaterThan(4);
  });
});

describe('help', () => {
  test.each([[['--help']], [['help']], [['score', '--help']], [['help', 'info']]])('%j', async (args) => {
    const { code, stdout, stderr } = await run(args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout.toString()).toMatch(/^Usage: simd-softmax /);
  });

  test('no command at all is a mistake', async () => {
    const { code, stdout, stderr } = await run([]);
    expect(code).toBe(2);
    expect(stdout).toHaveLength(0);
    expect(stderr).toMatch(/^Usage: simd-softmax /);
  });

  test.each(['--version', '-v'])('%s', async (flag) => {
    expect((await run([flag])).stdout.toString()).toBe(`${packageJson.version}\n`);
  });
});

test('the digits are what their script says', () => {
  expect(readFileSync(join(DIGITS, 'classes.txt'), 'utf8').split('\n')).toHaveLength(11);
  const header = (name: string) => readFileSync(join(DIGITS, name)).subarray(10, 128).toString();
  expect(header('logits.npy')).toMatch(/'<f4'.*\(2000, 10,\)/);
  expect(header('labels.npy')).toMatch(/'\|u1'.*\(2000,\)/);
});
