/** `load.ts`: told a load by its parent, puts it on the server (autocannon) and tells how long the answers took. */
import autocannon from 'autocannon';
import type { Latency, Load } from './messages.js';

process.once('message', async (load: Load) => {
  process.send?.(await put(load));
  process.disconnect?.();
});

async function put({ port, form, logits, connections, seconds }: Load): Promise<Latency> {
  const x = Float32Array.from({ length: logits }, (_, i) => 10 * Math.sin(i * i + 1));
  const options = {
    url: `http://127.0.0.1:${port}/${form}`,
    method: 'POST',
    headers: { 'content-type': form === 'JSON' ? 'application/json' : 'application/octet-stream' },
    body: form === 'JSON' ? JSON.stringify(Array.from(x)) : Buffer.from(x.buffer),
    connections,
    duration: seconds,
    timeout: 60,
  } as const;
  const latencies: number[] = [];
  const { errors, non2xx, duration } = await new Promise<autocannon.Result>((resolve, reject) => {
    const run = autocannon(options, (error, result) => (error ? reject(error) : resolve(result)));
    // Its own histogram has whole milliseconds.
    run.on('response', (_client, _status, _bytes, milliseconds) => latencies.push(milliseconds));
  });
  if (errors + non2xx > 0) throw new Error(`${errors + non2xx} of ${latencies.length} requests failed`);
  latencies.sort((a, b) => a - b);
  const at = (share: number) =>
    latencies[Math.min(latencies.length - 1, Math.floor(share * latencies.length))];
  return { perSecond: latencies.length / duration, p50: at(0.5), p99: at(0.99) };
}
