/** The way of one call (CONTRIBUTING): which files of lib it enters, by V8's own count. */
import { readFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { backend, softmax } from '../lib/index.js';

const session = new Session();

beforeAll(async () => {
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false });
});
afterAll(() => session.disconnect());

/** Files with a function that the call runs, once all that is decided at the first call is. */
async function filesOf(call: () => void): Promise<string[]> {
  call();
  await session.post('Profiler.takePreciseCoverage');
  call();
  const { result } = await session.post('Profiler.takePreciseCoverage');
  return result
    .filter(({ functions }) =>
      functions.some(({ functionName, ranges: [{ count }] }) => functionName !== '' && count > 0),
    )
    .map(({ url }) => url.match(/\/(lib\/[^?]*)/)?.[1] ?? '')
    .filter((path) => path !== '')
    .sort();
}

const floats = new Float32Array(40);
const list = [3.2, 1.3, 0.2, 0.8];

/** Without those of the backend itself. */
const above = (files: readonly string[]) =>
  files.filter((path) => !/^lib\/backends\/(native|js|wasm)\//.test(path));

test.each<[string, () => unknown]>([
  ['softmax(x)', () => softmax(floats)],
  ['softmax(x, { shape, out })', () => softmax(floats, { shape: [4, 10], out: floats })],
  // Elsewhere there is no memory that the backend sees too.
  ...(backend.kind === 'native'
    ? [['softmax of numbers', () => softmax(list)] as [string, () => unknown]]
    : []),
])('%s enters at most six files above the backend', async (_, call) => {
  const files = above(await filesOf(call));
  expect(files).toContain('lib/index.ts');
  expect(files.length, files.join(', ')).toBeLessThanOrEqual(6);
});

test('a call with other options enters those that CONTRIBUTING lists', async () => {
  const files = above(await filesOf(() => softmax(floats, { shape: [4, 10], axis: 0 })));
  const [, way] = readFileSync(new URL('../CONTRIBUTING.md', import.meta.url), 'utf8').split(
    '## The way of one call',
  );
  const listed = [...way.split('\n## ')[0].matchAll(/`(lib\/[\w/]+\.ts)`/g)].map(([, path]) =>
    path.replace('topK', 'softmax'),
  );
  expect(files.filter((path) => !listed.includes(path))).toEqual([]);
});
