/**
 * `server.ts <build>`: an HTTP server that turns posted logits into probabilities, in the form they came in. Tells its
 * parent the port, and when asked, how late its event loop was since it was last asked.
 */

import type { IncomingMessage } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Readable } from 'node:stream';
import Fastify, { type FastifyRequest } from 'fastify';
import type { Build, Delay } from './messages.js';

type Sync = typeof import('../../lib/index.js');
type Promises = typeof import('../../lib/promises.js');

const fromRoot = createRequire(new URL('../../package.json', import.meta.url));
const sync: Sync = fromRoot('simd-softmax');
const promises: Promises = fromRoot('simd-softmax/promises');

const scorers: { readonly [build in Build]: (x: Float32Array) => Float32Array | Promise<Float32Array> } = {
  plain: plainSoftmax,
  synchronous: (x) => sync.softmax(x),
  promises: (x) => promises.softmax(x, { out: x }),
};
const build = process.argv[2] as Build;
const score = scorers[build];
const slice = 2 ** 18;
const spare: SharedArrayBuffer[] = [];

/** The loop that a service has before it has a library. */
function plainSoftmax(x: Float32Array): Float32Array {
  const y = new Float32Array(x.length);
  let max = -Infinity;
  for (let i = 0; i < x.length; i++) if (x[i] > max) max = x[i];
  let sum = 0;
  for (let i = 0; i < x.length; i++) {
    y[i] = Math.exp(x[i] - max);
    sum += y[i];
  }
  for (let i = 0; i < x.length; i++) y[i] /= sum;
  return y;
}

const server = Fastify({ bodyLimit: 2 ** 26 });
if (build === 'promises') server.addContentTypeParser('application/octet-stream', receiveShared);
else
  server.addContentTypeParser('application/octet-stream', { parseAs: 'buffer' }, (_, body, done) =>
    done(null, body),
  );

server.post('/binary', async ({ body }, reply) => {
  const { buffer, byteOffset, byteLength } = body as Uint8Array;
  const y = await score(new Float32Array(buffer, byteOffset, byteLength / 4));
  const bytes = Buffer.from(y.buffer, y.byteOffset, y.byteLength);
  const { buffer: memory } = y;
  if (memory instanceof SharedArrayBuffer) reply.raw.once('close', () => spare.push(memory));
  reply.type('application/octet-stream');
  if (bytes.length <= slice) return bytes;
  reply.header('content-length', bytes.length);
  return Readable.from(slicesOf(bytes));
});
server.post('/JSON', async ({ body }) => Array.from(await score(Float32Array.from(body as number[]))));

/** Into memory that threads may work on in place, piece by piece as it comes. */
async function receiveShared({ headers }: FastifyRequest, payload: IncomingMessage): Promise<Uint8Array> {
  const bytes = sharedMemory(Number(headers['content-length']));
  let at = 0;
  for await (const piece of payload) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/** New pages take longer than the softmax: what earlier requests had is used again. */
function sharedMemory(bytes: number): Uint8Array {
  const at = spare.findIndex(({ byteLength }) => byteLength === bytes);
  return new Uint8Array(at < 0 ? new SharedArrayBuffer(bytes) : spare.splice(at, 1)[0]);
}

/** One write of megabytes would hold the event loop for milliseconds. */
function* slicesOf(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += slice) yield bytes.subarray(at, at + slice);
}

const resolution = 1;
const histogram = monitorEventLoopDelay({ resolution });
histogram.enable();
process.on('message', () => {
  // It counts the time from one tick to the next, of which `resolution` is as it should be.
  const late = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - resolution);
  const delay: Delay = { p99: late(histogram.percentile(99)), max: late(histogram.max) };
  histogram.reset();
  process.send?.(delay);
});
process.on('disconnect', () => process.exit());

await server.listen({ host: '127.0.0.1', port: 0 });
process.send?.((server.server.address() as AddressInfo).port);
