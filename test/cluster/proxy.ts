/** A network between us and a server that can be cut. */
import { connect, createServer, type Socket } from 'node:net';
import { freePort } from './redis.js';

export interface Proxy {
  readonly port: number;
  /** Ends all connections at once. */
  cut(): void;
  stop(): void;
}

export async function startProxy(target: number): Promise<Proxy> {
  const sockets = new Set<Socket>();
  const port = await freePort();
  const server = createServer((inner) => {
    const outer = connect(target, '127.0.0.1');
    for (const [from, to] of [
      [inner, outer],
      [outer, inner],
    ]) {
      sockets.add(from);
      from.pipe(to);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port,
    cut,
    stop() {
      server.close();
      cut();
    },
  };
}
