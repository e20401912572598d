/** `npm run test:proof`: proof.test.ts with 200 files and more faults, which takes minutes. */
import { spawnSync } from 'node:child_process';

const vitest = ['vitest', 'run', '--config', 'test/cluster/vitest.config.ts', 'test/cluster/proof.test.ts'];
const { status } = spawnSync('npx', vitest, {
  stdio: 'inherit',
  env: { ...process.env, SIMD_SOFTMAX_PROOF_FILES: process.env.SIMD_SOFTMAX_PROOF_FILES ?? '200' },
});
process.exitCode = status ?? 1;
