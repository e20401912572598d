import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { backend } from '../../lib/index.js';
import { budget } from '../random.js';

const program = fileURLToPath(new URL('../../native/test/races.mjs', import.meta.url));
const minutes = Math.min(5, 4 * budget) / 60;

/** The long run is `npm run test:races`. */
describe.skipIf(backend.kind === 'js')('while other threads write all that a call reads and writes', () => {
  it.each(backend.supported.filter((isa) => isa !== 'js'))('no memory is touched but its own: %s', (isa) => {
    const { status, signal, stdout, stderr } = spawnSync(process.execPath, [program, String(minutes)], {
      encoding: 'utf8',
      env: { ...process.env, SIMD_SOFTMAX_BACKEND: isa },
    });
    expect({ status, signal, stderr }, stdout).toEqual({ status: 0, signal: null, stderr: '' });
    expect(stdout.trimEnd().split('\n').at(-1)).toBe('done');
  });
});
