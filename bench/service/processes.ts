/** The server, the load on it and the watch over a timer: processes of their own. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type Build, type Delay, type Form, forms, type Latency, type Load } from './messages.js';

const here = fileURLToPath(new URL('.', import.meta.url));

/** A server in a process of its own, which has answered rightly. */
export class Server {
  private constructor(
    private readonly child: ChildProcess,
    private readonly port: number,
  ) {}

  static async start(build: Build): Promise<Server> {
    const child = start('server.ts', build);
    const server = new Server(child, await answer<number>(child));
    for (const form of forms) await server.check(form);
    return server;
  }

  /** Puts a load on it, from another process. */
  async take(load: Omit<Load, 'port'>): Promise<Latency> {
    const client = start('load.ts');
    client.send({ ...load, port: this.port });
    return answer<Latency>(client);
  }

  /** How late its event loop was since this was last asked. */
  async delay(): Promise<Delay> {
    this.child.send('delay');
    return answer<Delay>(this.child);
  }

  async stop(): Promise<void> {
    this.child.disconnect();
    await once(this.child, 'exit');
  }

  private async check(form: Form): Promise<void> {
    for (const logits of [1, 10, 1000, 1_000_000]) {
      const x = Float32Array.from({ length: logits }, (_, i) => 10 * Math.sin(i));
      const response = await fetch(`http://127.0.0.1:${this.port}/${form}`, {
        method: 'POST',
        headers: { 'content-type': form === 'JSON' ? 'application/json' : 'application/octet-stream' },
        body: form === 'JSON' ? JSON.stringify(Array.from(x)) : x,
      });
      const y = form === 'JSON' ? await response.json() : new Float32Array(await response.arrayBuffer());
      const sum = x.reduce((total, logit) => total + Math.exp(logit), 0);
      const wrong = x.findIndex((logit, i) => !(Math.abs((y[i] * sum) / Math.exp(logit) - 1) < 1e-3));
      if (wrong >= 0 || y.length !== logits)
        throw new Error(`${form}: ${y[wrong]} for class ${wrong} of ${logits}`);
    }
  }
}

export function start(file: string, ...args: string[]): ChildProcess {
  return fork(`${here}${file}`, args);
}

/** The next message of a process; an error if it ends without one. */
export async function answer<Message>(child: ChildProcess): Promise<Message> {
  const enough = new AbortController();
  const { signal } = enough;
  const gone = once(child, 'exit', { signal }).then(([code]) => {
    throw new Error(`A process of the benchmark ended with ${code}`);
  });
  const [message] = await Promise.race([once(child, 'message', { signal }), gone]);
  enough.abort();
  return message as Message;
}
