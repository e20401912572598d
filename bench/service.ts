/**
 * `npm run bench:service`: a Fastify server that scores posted logits, in three builds (a loop of plain JavaScript, this
 * library synchronous, this library by promises), under the load of autocannon; and how late a timer is while promises
 * are at work. Server and load are processes of their own, on the loopback. `--write` makes bench/SERVICE.md.
 */
import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { markdownTable } from 'markdown-table';
import { machine } from './measure/machine.js';
import { type Build, builds, forms, type Latency, type Lateness } from './service/messages.js';
import { answer, Server, start } from './service/processes.js';

const here = fileURLToPath(new URL('.', import.meta.url));
const { seconds, rounds, only, write } = new Command('npm run bench:service --')
  .description('Measures a server that scores posted logits: three builds, small bodies and big ones.')
  .option('--seconds <n>', 'how long each load lasts', Number, 4)
  .option('--rounds <n>', 'how often small requests ride beside big ones', Number, 3)
  .option('--only <part>', '"requests", "mixed" or "lateness"')
  .option('--write', 'write bench/SERVICE.md', false)
  .parse()
  .opts<{ seconds: number; rounds: number; only?: string; write: boolean }>();

const bodies = [10, 1000, 1_000_000];
const [small, , big] = bodies;
/** A megabyte answer keeps the client busy, so that more connections only wait for each other. */
const connectionsFor = (logits: number) => (logits === big ? 2 : 10);
const names: { readonly [build in Build]: string } = {
  plain: 'plain JavaScript',
  synchronous: 'simd-softmax, synchronous',
  promises: 'simd-softmax, promises',
};

if (write && only !== undefined) {
  console.error('--write is for a full run: without --only.');
  process.exit(1);
}
const parts: { readonly [part: string]: () => Promise<string> } = { requests, mixed, lateness };
const sections: string[] = [];
for (const part of Object.keys(parts)) {
  if (only !== undefined && only !== part) continue;
  const section = await parts[part]();
  console.log(`${section}\n`);
  sections.push(section);
}
if (write) {
  const { cpu, cores, node } = machine();
  const text = `# Service

A [Fastify](https://fastify.dev) server ([bench/service/server.ts](service/server.ts)) turns posted logits into probabilities, in three builds: the loop of plain JavaScript that a service has before it has a library, simd-softmax synchronous, and simd-softmax by promises. [autocannon](https://github.com/mcollina/autocannon) puts the load on it from another process, over the loopback; with so few cores both, and the threads of the library, compete for them. Milliseconds.

${sections.join('\n\n')}

${cpu}, ${cores} cores, Node ${node}, ${new Date().toISOString().slice(0, 10)}. Measured by \`npm run bench:service -- --write\`.
`;
  writeFileSync(`${here}SERVICE.md`, text);
}

/** Every size and form of body by itself. */
async function requests(): Promise<string> {
  const rows: string[][] = [];
  const losing: string[] = [];
  for (const form of forms) {
    for (const logits of bodies) {
      const results = new Map<Build, Latency>();
      for (const build of builds) {
        const server = await Server.start(build);
        const load = { form, logits, connections: connectionsFor(logits), seconds };
        await server.take({ ...load, seconds: 1 });
        await server.delay();
        const latency = await server.take(load);
        const delay = await server.delay();
        await server.stop();
        results.set(build, latency);
        const { perSecond, p50, p99 } = latency;
        const body = `${logits.toLocaleString('en')}, ${form}`;
        rows.push([
          body,
          names[build],
          perSecond.toFixed(0),
          ...[p50, p99, delay.p99, delay.max].map(digits),
        ]);
        console.error(rows.at(-1)?.join('  '));
      }
      for (const build of ['synchronous', 'promises'] as const) {
        const [ours, plain] = [results.get(build)!.perSecond, results.get('plain')!.perSecond];
        if (ours < plain)
          losing.push(
            `${logits.toLocaleString('en')} logits as ${form}, ${build}: ${percent(ours / plain - 1)}`,
          );
      }
    }
  }
  const lost = losing.length === 0 ? 'none' : losing.join('; ');
  return `## Requests

10 connections, each with its next request when it has the last answer; of 1,000,000 logits 2. The event loop's delay is the server's (\`monitorEventLoopDelay\`).

${table(['logits', 'build', 'requests/s', 'p50', 'p99', 'loop delay p99', 'max'], rows, 2)}

Fewer requests per second than plain JavaScript: ${lost}.`;
}

/** Small requests alone, and beside big ones; of several rounds, the one whose ratio is in the middle. */
async function mixed(): Promise<string> {
  const rows: string[][] = [];
  for (const build of builds) {
    const server = await Server.start(build);
    const smallLoad = { form: 'binary', logits: small, connections: connectionsFor(small), seconds } as const;
    const bigLoad = {
      form: 'binary',
      logits: big,
      connections: connectionsFor(big),
      seconds: seconds + 2,
    } as const;
    await Promise.all([server.take({ ...smallLoad, seconds: 2 }), server.take({ ...bigLoad, seconds: 2 })]);
    const measured = [];
    for (let round = 0; round < rounds; round++) {
      const alone = await server.take(smallLoad);
      const running = server.take(bigLoad);
      await sleep(1000);
      await server.delay();
      const beside = await server.take(smallLoad);
      const delay = await server.delay();
      measured.push({ alone, beside, delay, bigs: await running, ratio: beside.p99 / alone.p99 });
    }
    await server.stop();
    measured.sort((a, b) => a.ratio - b.ratio);
    const { alone, beside, delay, bigs, ratio } = measured[Math.floor(rounds / 2)];
    const worst = measured.at(-1)?.ratio ?? NaN;
    rows.push([
      names[build],
      digits(alone.p99),
      digits(beside.p99),
      `${ratio.toFixed(1)} (${worst.toFixed(1)})`,
      ...[alone, beside, bigs].map(({ perSecond }) => perSecond.toFixed(0)),
      digits(delay.p99),
    ]);
    console.error(rows.at(-1)?.join('  '));
  }
  return `## Small requests beside big ones

Requests of ${small} logits on ${connectionsFor(small)} connections, alone, and while ${connectionsFor(big)} others send ${big.toLocaleString('en')} logits each, all binary. The middle one of ${rounds} rounds by the ratio of the two p99 (in brackets the worst).

${table(['build', 'p99 alone', 'p99 beside', 'ratio', 'small/s alone', 'small/s beside', 'big/s', 'loop delay p99'], rows, 1)}`;
}

/** What scoring 64 MB by promises does to a timer. */
async function lateness(): Promise<string> {
  const child = start('lateness.ts');
  const results = await answer<Lateness[]>(child);
  const rows = results.map(({ name, calls, p50, p99, max }) => [
    name,
    `${calls}`,
    ...[p50, p99, max].map(digits),
  ]);
  return `## A timer while 64 MB are scored

How late a timer of 1 ms is on the main thread while \`softmax\` of \`simd-softmax/promises\` scores 64 MB of float32, again and again.

${table(['scored', 'calls', 'late, p50', 'p99', 'max'], rows, 1)}`;
}

function table(head: string[], rows: string[][], words: number): string {
  return markdownTable([head, ...rows], { align: head.map((_, i) => (i < words ? 'l' : 'r')) });
}

function digits(milliseconds: number): string {
  return milliseconds.toPrecision(milliseconds < 1 ? 2 : 3);
}

function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}
