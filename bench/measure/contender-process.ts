/** A contender in a process of its own, and the questions it answers. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Reply, Request } from '../contenders/child.js';
import type { Answer } from '../contenders/contender.js';
import type { ContenderSpec } from './contenders.js';

const sources = fileURLToPath(new URL('../contenders/', import.meta.url));

export class ContenderProcess {
  private readonly child: ChildProcess;
  private readonly lines: AsyncIterator<string>;
  private complaints = '';
  /** Resolves once the contender has loaded. */
  readonly version: Promise<string>;

  constructor(
    readonly spec: ContenderSpec,
    built: string,
  ) {
    const { command, args } = commandOf(spec, built);
    this.child = spawn(command, args, {
      env: { ...process.env, ...spec.env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.child.stderr!.on('data', (text) => {
      this.complaints = (this.complaints + text).slice(-2000);
    });
    // A contender that dies is told by the end of its output.
    this.child.stdin!.on('error', () => {});
    this.child.on('error', (error) => {
      this.complaints += error;
    });
    this.lines = createInterface(this.child.stdout!)[Symbol.asyncIterator]();
    this.version = this.read().then((reply) => ('version' in reply ? reply.version : fail(reply)));
    // Whoever awaits it sees it; until then it is no unhandled rejection.
    this.version.catch(() => {});
  }

  async ask(request: Request): Promise<Reply> {
    this.child.stdin!.write(`${JSON.stringify(request)}\n`);
    return this.read();
  }

  async measure(ms: number): Promise<number> {
    const reply = await this.ask({ do: 'measure', ms });
    return 'ns' in reply ? reply.ns : fail(reply);
  }

  close(): void {
    this.child.stdin!.end();
    this.child.kill();
  }

  private async read(): Promise<Reply> {
    const { value, done } = await this.lines.next();
    if (done) throw new Error(`died: ${this.complaints.trim() || 'without a word'}`);
    return JSON.parse(value);
  }
}

/** The answer that a contender gave, with its values read back from `output`. */
export function answerIn(
  { values, type, indices }: Extract<Reply, { answer: unknown }>['answer'],
  output: string,
): Answer {
  if (values !== 'in file') return { values, indices };
  const { buffer } = new Uint8Array(readFileSync(output));
  return { values: type === 'float64' ? new Float64Array(buffer) : new Float32Array(buffer), indices };
}

function commandOf(
  { module, interpreter, options }: ContenderSpec,
  built: string,
): { command: string; args: string[] } {
  const asText = JSON.stringify(options);
  if (interpreter !== undefined) return { command: interpreter, args: [`${sources}${module}`, asText] };
  const contender = `./${module.replace(/\.ts$/, '.mjs')}`;
  return { command: process.execPath, args: [`${built}child.mjs`, contender, asText] };
}

function fail(reply: Reply): never {
  throw new Error('failed' in reply ? reply.failed : `unexpected reply ${JSON.stringify(reply)}`);
}
