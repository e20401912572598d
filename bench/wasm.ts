/**
 * WebAssembly beside its peers, all in one process on one thread: `npm run bench:wasm`. Every contender first proves that its
 * answer is right. A cell is the time of a call per logit, the least of rounds in which all take their turn, and how many times
 * that of ours; × marks what is nearer than our own limit. `-- --also path/to/node` measures in another Node too, whose
 * module may be the other one; `-- --write` writes bench/WASM.md.
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Contender, Prepared } from './contenders/contender.js';
import { allocate, type Case, layoutOf } from './measure/case.js';
import { Judge } from './measure/judge.js';
import { randomLogits } from './measure/logits.js';

type Package = typeof import('../lib/wasm.js');
const fromRoot = createRequire(new URL('../package.json', import.meta.url));

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '60' },
    also: { type: 'string', multiple: true, default: [] },
    write: { type: 'boolean', default: false },
    here: { type: 'boolean', default: false },
  },
});

/** How many times ours each of them has to take, at the least. */
interface Limits {
  readonly js: number;
  readonly peers: number;
}
const CASES: readonly (readonly [Case, Limits])[] = [
  [caseOf('softmax', [1000, 1000]), { js: 4, peers: 1 }],
  [caseOf('softmax', [250_000, 4]), { js: 8, peers: 3 }],
  [caseOf('softmax', [1, 128_256]), { js: 5, peers: 1 }],
  [caseOf('topK', [1, 128_256]), { js: 5, peers: 1 }],
];
const OURS = 'simd-softmax/wasm';
const JS = 'the same in TypeScript';
const WARM_UP = 5; // rounds

function caseOf(op: 'softmax' | 'topK', shape: readonly number[]): Case {
  const id = `${op} ${shape.join(' × ')}`;
  const rest = { axis: 1, dtype: 'float32', range: 10, threads: 1, k: 40, gradient: false } as const;
  return { id: op === 'topK' ? `${id}, k = 40` : id, group: 'shapes', op, shape, ...rest };
}

/** Ours; of which `simd-softmax/wasm` is told what to run on. */
function openOurs(library: Package, backend: 'wasm' | 'js'): Contender {
  const { backend: used, softmax, topK } = library;
  return {
    version: used.isa,
    prepare(of, logits) {
      const { shape, k } = of;
      if (of.op === 'softmax') {
        const out = allocate('float32', layoutOf(of).elements) as Float32Array;
        const run = () => softmax(logits as Float32Array, { shape, out, backend });
        return { run, answer: () => ({ values: out }) };
      }
      const out = { probabilities: new Float32Array(k), indices: new Uint32Array(k) };
      const run = () => topK(logits as Float32Array, k, { shape, out, backend });
      return { run, answer: () => ({ values: out.probabilities, indices: out.indices }) };
    },
  };
}

async function nanoseconds(run: () => unknown): Promise<number> {
  const start = performance.now();
  await run();
  return (performance.now() - start) * 1e6;
}

/** Measures in this process, and prints a row of the table for each case. */
async function measureHere(): Promise<void> {
  const library: Package = fromRoot('simd-softmax/wasm');
  await library.ready;
  if (library.backend.kind !== 'wasm') throw new Error(`Expected WebAssembly (${library.backend.loadError})`);
  const contenders = new Map<string, Contender>([
    [OURS, openOurs(library, 'wasm')],
    [JS, openOurs(library, 'js')],
    ['tfjs-backend-wasm', await (await import('./contenders/tfjs.js')).open({ backend: 'wasm' })],
    ['onnxruntime-web', await (await import('./contenders/onnxruntime-web.js')).open()],
  ]);
  const versions = [...contenders].map(([name, { version }]) => `${name}${name === JS ? '' : ` ${version}`}`);
  console.log(`\n## Node ${process.version}: ${library.backend.isa}\n`);
  console.log(`| ns per logit | ${versions.join(' | ')} |\n|---|${versions.map(() => '---').join('|')}|`);
  for (const [of, limits] of CASES) console.log(await row(of, limits, contenders));
}

async function row(of: Case, limits: Limits, contenders: Map<string, Contender>): Promise<string> {
  const logits = randomLogits(of);
  const judge = new Judge(of, logits, true);
  const able = new Map<string, Prepared>();
  const errors = new Map<string, number | null>();
  for (const [name, contender] of contenders) {
    const prepared = await contender.prepare(of, logits);
    if ('cannot' in prepared) continue;
    for (let call = 0; call < 3; call++) await prepared.run();
    const verdict = judge.verdict(prepared.answer());
    if ('wrong' in verdict) throw new Error(`${of.id}, ${name}: ${verdict.wrong}`);
    able.set(name, prepared);
    errors.set(name, verdict.accuracy.maxUlp);
  }
  const least = new Map([...able.keys()].map((name) => [name, Number.POSITIVE_INFINITY]));
  for (let round = -WARM_UP; round < Number(options.rounds); round++) {
    for (const [name, { run }] of able) {
      const time = Math.min(await nanoseconds(run), await nanoseconds(run), await nanoseconds(run));
      if (round >= 0) least.set(name, Math.min(time, least.get(name) as number));
    }
  }
  for (const { close } of able.values()) close?.();
  const cells = [...contenders.keys()].map((name) => {
    const time = least.get(name);
    if (time === undefined) return '';
    const each = (time / logits.length).toFixed(2);
    const error = `${errors.get(name)?.toFixed(1)} ULP`;
    if (name === OURS) return `${each} (${error})`;
    const ratio = time / (least.get(OURS) as number);
    const missed = ratio < (name === JS ? limits.js : limits.peers);
    return `${each} (${ratio.toFixed(1)} times${missed ? ' ×' : ''}, ${error})`;
  });
  return `| ${of.id} | ${cells.join(' | ')} |`;
}

function measureEach(): void {
  const { version } = fromRoot('./package.json');
  const page = [
    '# WebAssembly beside its peers',
    '',
    `simd-softmax ${version} on ${cpus()[0]?.model}, ${new Date().toISOString().slice(0, 10)}; float32, logits uniform in ±10, one thread, all in one process and in turns. Each cell: ns per logit, the least of all rounds; how many times ours; and the largest error. Our limits: TypeScript 4 times at 1000 × 1000, 8 at 250000 × 4 and 5 at 1 × 128256; the peers 3 times at 4 classes, and nowhere faster. × misses one. TensorFlow's topk has no softmax, so it is left out of the last row. \`npm run bench:wasm -- --write\` writes this page.`,
  ];
  console.log(page.join('\n'));
  for (const node of [process.execPath, ...options.also]) {
    const args = ['--import', import.meta.resolve('tsx'), fileURLToPath(import.meta.url)];
    const child = spawnSync(node, [...args, '--here', '--rounds', options.rounds], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    if (child.status !== 0) throw new Error(`${node} ended with ${child.status ?? child.signal}`);
    const table = child.stdout.slice(child.stdout.indexOf('\n## Node'));
    console.log(table);
    page.push('', table.trim());
  }
  if (options.write) writeFileSync(new URL('WASM.md', import.meta.url), `${page.join('\n')}\n`);
}

options.here ? await measureHere() : measureEach();
