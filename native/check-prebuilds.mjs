// `npm run check:prebuilds [-- <ISA>]`: what must hold of the binaries that `npm run prebuild` has built, read from them. With an
// ISA, the build that is compared with the first has its kernels alone: that of all takes minutes.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { skip } from './test/tools.mjs';

/** The oldest glibc that must do: that of RHEL 7, Debian 8 and every Linux since 2013. */
const glibcFloor = [2, 17];

const tools = { 'linux-x64': '', 'linux-arm64': 'aarch64-linux-gnu-', 'win32-x64': 'x86_64-w64-mingw32-' };
const root = fileURLToPath(new URL('..', import.meta.url));
const here = `${process.platform}-${process.arch}`;
let [passed, failed] = [0, 0];

function proof(promise, prove) {
  try {
    const note = prove();
    passed++;
    console.log(`  ✓ ${promise}${note ? `: ${note}` : ''}`);
  } catch (error) {
    failed++;
    console.log(`  ✗ ${promise}: ${error.message}`);
  }
}

function run(command, args, options = {}) {
  const { status, error, stdout, stderr } = spawnSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 2 ** 30,
    ...options,
  });
  if (status !== 0) throw error ?? new Error(`${command} ${args.join(' ')}\n${stderr}`);
  return stdout;
}

const binariesOf = (folder, target) =>
  readdirSync(`${folder}/prebuilds/${target}`).map((name) => `${folder}/prebuilds/${target}/${name}`);

/** The newest glibc that a binary asks for. */
function newestGlibc(prefix, binary) {
  const asked = [...run(`${prefix}objdump`, ['-T', binary]).matchAll(/GLIBC_(\d+)\.(\d+)[\d.)]*\s+(\S+)/g)];
  const symbols = asked.map(([, major, minor, name]) => ({ version: [Number(major), Number(minor)], name }));
  symbols.sort((a, b) => b.version[0] - a.version[0] || b.version[1] - a.version[1]);
  const [{ version, name }] = symbols;
  if (version[0] > glibcFloor[0] || (version[0] === glibcFloor[0] && version[1] > glibcFloor[1])) {
    throw new Error(`${name} wants ${version.join('.')}, where ${glibcFloor.join('.')} must do`);
  }
  return `${version.join('.')} (${name})`;
}

/** Where the linker put the code of each object: [from, to, object]. */
function codeRanges(target) {
  const map = readFileSync(`${root}build-prebuild/${target}/build/simd_softmax.map`, 'utf8');
  const placed = /^ \.text\S*\s+0x([0-9a-f]+)\s+0x([0-9a-f]+)\s+(\S+)$/gm;
  return [...map.matchAll(placed)]
    .map(([, from, size, object]) => [
      Number.parseInt(from, 16),
      Number.parseInt(from, 16) + Number.parseInt(size, 16),
      object,
    ])
    .filter(([from, to]) => from > 0 && to > from);
}

/**
 * Every instruction of AVX and its successors has a VEX or EVEX prefix, and in objdump's words a name that begins with
 * v; so have these of another kind.
 */
const notAvx = /^(verr|verw|vm\w+)$/;

/** Counts AVX instructions by the object that they come from; throws where one comes from another than its own. */
function avxByObject(target, prefix, binary) {
  const ranges = codeRanges(target);
  const counts = new Map();
  const strays = new Map();
  let last = ranges[0];
  for (const [, address, name, operands] of run(`${prefix}objdump`, [
    '-d',
    '--no-show-raw-insn',
    binary,
  ]).matchAll(/^ *([0-9a-f]+):\t(?:\{\w+\} )?(\w+)(.*)$/gm)) {
    if (!(name.startsWith('v') && !notAvx.test(name)) && !/%[yz]mm|%k[0-7]/.test(operands)) continue;
    const at = Number.parseInt(address, 16);
    if (!(at >= last[0] && at < last[1]))
      last = ranges.find(([from, to]) => at >= from && at < to) ?? [0, 0, 'no object'];
    const isa = /kernels_(avx\w+)\.dir/.exec(last[2])?.[1];
    if (isa === undefined) strays.set(last[2], `${name} at ${address}`);
    else counts.set(isa, (counts.get(isa) ?? 0) + 1);
  }
  if (strays.size > 0) throw new Error([...strays].map(([object, what]) => `${object}: ${what}`).join(', '));
  if (counts.size === 0)
    throw new Error('no AVX instruction at all: is this the binary that was built last?');
  return [...counts].map(([isa, count]) => `${count} in ${isa}`).join(', ');
}

/**
 * The objects that kernels were compiled to. Others see an ISA's table alone, and its units each other: no inline function
 * may be merged with that of another ISA.
 */
function isaObjects(target, prefix) {
  const folder = `${root}build-prebuild/${target}/build/CMakeFiles`;
  const isas = readdirSync(folder).flatMap((name) => /^kernels_(\w+)\.dir$/.exec(name)?.[1] ?? []);
  for (const isa of isas) {
    // In its own namespace: functions, members, and what stands within them, which the binary keeps to itself.
    const own = new RegExp(`\\bkernels_${isa}$|\\b_Z(GV)?Z*NK?\\d+kernels_${isa}_units`);
    const objects = `${folder}/kernels_${isa}.dir/native/kernels`;
    for (const object of readdirSync(objects, { recursive: true })) {
      if (!object.endsWith('.o')) continue;
      const symbols = run(`${prefix}nm`, ['--defined-only', '--extern-only', `${objects}/${object}`]).split(
        '\n',
      );
      const strays = symbols.filter((line) => line !== '' && !own.test(line));
      if (strays.length > 0) throw new Error(`${object} of ${isa} defines ${strays.join(', ')}`);
    }
  }
  return isas.join(', ');
}

/** Builds once more, in another folder, whatever a cache of compilations remembers. */
function buildAgain(target, ...isas) {
  const again = `${root}build-prebuild/again`;
  rmSync(again, { recursive: true, force: true });
  run(process.execPath, [`${root}native/prebuild.mjs`, target, again, `${again}/${target}`, ...isas], {
    env: { ...process.env, CCACHE_DISABLE: '1' },
  });
  return again;
}
const hash = (path) => createHash('sha256').update(readFileSync(path)).digest('hex');

function sameBinary(target) {
  const [one, two] = [root, buildAgain(target)].map((folder) => binariesOf(folder, target).map(hash).join());
  if (one !== two) throw new Error(`${one} and ${two}`);
  return one;
}

/** Of one ISA the objects: without the others the binary is another. */
function sameObjects(target, isa) {
  const objects = `build/CMakeFiles/kernels_${isa}.dir/native/kernels`;
  const [first, second] = [`${root}build-prebuild`, buildAgain(target, isa)].map(
    (folder) => `${folder}/${target}/${objects}`,
  );
  const names = readdirSync(second, { recursive: true }).filter((name) => name.endsWith('.o'));
  const others = names.filter((name) => hash(`${first}/${name}`) !== hash(`${second}/${name}`));
  if (names.length === 0 || others.length > 0)
    throw new Error(`${others.join()} of ${names.length} objects differ`);
  return `${names.length} objects of ${isa}`;
}

const [only] = process.argv.slice(2);
const targets = existsSync(`${root}prebuilds`) ? readdirSync(`${root}prebuilds`) : [];
for (const target of targets) {
  const prefix = target === here ? '' : tools[target];
  const [binary] = binariesOf(root, target);
  console.log(`${target}: ${(readFileSync(binary).length / 1e6).toFixed(2)} MB`);
  if (spawnSync(`${prefix}objdump`, ['--version']).error || prefix === undefined) {
    skip(target, `there is no ${prefix ?? ''}objdump (apt-get install binutils)`);
    continue;
  }
  if (target.startsWith('linux')) proof('loads since glibc', () => newestGlibc(prefix, binary));
  proof('an ISA shows others its table alone', () => isaObjects(target, prefix));
  if (target === 'linux-x64') {
    proof('AVX instructions are in the AVX objects alone', () => avxByObject(target, prefix, binary));
  }
  if (target === here) {
    proof('another build, elsewhere, has the same bits', () =>
      only ? sameObjects(target, only) : sameBinary(target),
    );
  }
}
if (targets.length === 0) console.error('There are no prebuilds: npm run prebuild.');
console.log(`${passed} passed, ${failed} failed`);
if (failed > 0 || passed === 0) process.exitCode = 1;
