/**
 * `npm run test:cpus`: the packed package on CPUs that are not this machine's, under qemu's emulation: each runs every
 * operation by every route without a fault, and picks the kernels that it should. (qemu has no AVX-512; a machine that
 * has it runs those kernels in `npm test`, and check:prebuilds shows that AVX code is where it should be.)
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { skip } from '../../native/test/tools.mjs';
import { expectEqual, expectSmoke, finish, install, pack, proof, root, run } from '../package/packed.mjs';

const cpus = [
  ['a CPU of 2008, without AVX', 'Nehalem', 'portable'],
  ['AVX, but neither AVX2 nor FMA', 'SandyBridge', 'portable'],
  ['AVX2, no AVX-512', 'Haswell', 'avx2'],
  ['AMD with AVX2', 'EPYC', 'avx2'],
  ['AVX2 without FMA', 'Haswell,-fma', 'portable'],
  ['AVX2 without F16C', 'Haswell,-f16c', 'portable'],
  ['AVX2, but an operating system that does not save what XSAVE would', 'Haswell,-xsave', 'portable'],
  // qemu leaves the YMM registers out of XCR0 then, and AVX2 in CPUID.
  ['AVX2 in CPUID, but not the YMM registers in XGETBV', 'Haswell,-avx', 'portable'],
];

const qemu = ['qemu-x86_64-static', 'qemu-x86_64'].find((name) => !spawnSync(name, ['--version']).error);
if (qemu === undefined || process.platform !== 'linux' || process.arch !== 'x64') {
  skip('other CPUs', 'this wants linux-x64 and qemu (apt-get install qemu-user-static)');
  process.exit();
}

const folder = install(pack().path, 'cpus', process.env.PATH);
copyFileSync(join(root, 'test/package/smoke.mjs'), join(folder, 'smoke.mjs'));
for (const [what, cpu, isa] of cpus) {
  await proof(`${what} (-cpu ${cpu}): ${isa}`, () => {
    // Two threads: qemu's are the machine's own.
    const env = { ...process.env, SIMD_SOFTMAX_BACKEND: '', SIMD_SOFTMAX_THREADS: '2' };
    const report = expectSmoke(
      run(qemu, ['-cpu', cpu, process.execPath, 'smoke.mjs'], { cwd: folder, env }),
      'native',
    );
    expectEqual(report.backend.isa, isa, 'backend.isa');
    return `${report.passed} checks`;
  });
}
await proof('an ISA that the CPU lacks is an error when asked for', () => {
  const env = { ...process.env, SIMD_SOFTMAX_BACKEND: 'avx2' };
  const { status, stderr } = spawnSync(qemu, ['-cpu', 'Nehalem', process.execPath, 'smoke.mjs'], {
    cwd: folder,
    env,
    encoding: 'utf8',
  });
  if (status === 0 || !stderr.includes('ERR_BACKEND_UNAVAILABLE')) throw new Error(stderr);
});
finish();
