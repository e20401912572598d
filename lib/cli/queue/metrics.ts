/** What a worker tells Prometheus: https://prometheus.io/docs/instrumenting/exposition_formats/ */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expectedUsage, systemFailure } from '../failure.js';
import type { JobResult } from './results.js';

/** What is asked for at each look. */
export interface Seen {
  /** Jobs of the whole queue, by their state. */
  counts(): Promise<Readonly<Record<string, number>>>;
  isHealthy(): boolean;
  /** Bytes that the scoring processes have in memory. */
  resident(): number;
}

export interface Metrics {
  begun(): void;
  ended(): void;
  failed(): void;
  /** @param waited seconds from when the job was made until it was begun. */
  completed(result: JobResult, joined: boolean, waited: number): void;
  text(seen: Seen): Promise<string>;
}

const COUNTS_MS = 2000;

export function newMetrics(): Metrics {
  let [completed, failed, active, rows, bytes] = [0, 0, 0, 0, 0];
  const seconds = { queue: 0, files: 0, score: 0, join: 0 };

  return {
    begun: () => void active++,
    ended: () => void active--,
    failed: () => void failed++,
    completed({ report, bytes: read }, joined, waited) {
      completed++;
      seconds.queue += waited;
      if (joined) {
        seconds.join += report.elapsed;
        return; // its rows are those of its parts
      }
      rows += report.rows;
      bytes += read;
      seconds.score += report.seconds;
      seconds.files += Math.max(0, report.elapsed - report.seconds);
    },
    async text({ counts, isHealthy, resident }) {
      const states = await Promise.race([
        counts().catch(() => ({})),
        sleep(COUNTS_MS, {} as Record<string, number>, { ref: false }),
      ]);
      const none = isHealthy() ? 1 : 0;
      return [
        metric('jobs_completed_total', 'counter', 'Jobs that this worker completed', completed),
        metric('jobs_failed_total', 'counter', 'Tries of jobs that failed on this worker', failed),
        metric('jobs_active', 'gauge', 'Jobs that this worker is at', active),
        metric('queue_jobs', 'gauge', 'Jobs of the queue, by their state', labelled('state', states)),
        metric('rows_total', 'counter', 'Rows that this worker scored', rows),
        metric('bytes_total', 'counter', 'Bytes of input that this worker read', bytes),
        metric(
          'stage_seconds_total',
          'counter',
          'Seconds of completed jobs, by stage: waiting in the queue, scoring, reading and writing files, joining',
          labelled('stage', seconds),
        ),
        metric(
          'resident_bytes',
          'gauge',
          'Memory of the worker and of the processes that score for it',
          labelled('process', { worker: process.memoryUsage.rss(), scoring: resident() }),
        ),
        metric('connected', 'gauge', 'Whether the server of the queue answers', none),
      ].join('');
    },
  };
}

type Value = number | readonly (readonly [labels: string, value: number])[];

function metric(name: string, type: 'counter' | 'gauge', help: string, value: Value): string {
  const full = `simd_softmax_${name}`;
  const samples = typeof value === 'number' ? ([['', value]] as const) : value;
  return `# HELP ${full} ${help}.\n# TYPE ${full} ${type}\n${samples
    .map(([labels, sample]) => `${full}${labels} ${sample}\n`)
    .join('')}`;
}

function labelled(label: string, values: Readonly<Record<string, number>>) {
  return Object.entries(values).map(([name, value]) => [`{${label}="${name}"}`, value] as const);
}

/**
 * @param where a port of the loopback address, or host:port.
 * @returns the server, listening, and its address.
 */
export async function serveMetrics(
  where: string,
  metrics: Metrics,
  seen: Seen,
): Promise<{ readonly url: string; close(): void }> {
  const { host, port } = parseWhere(where);
  const server = createServer((request, response) => {
    const answer = (status: number, text: string) => {
      response.writeHead(status, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' });
      response.end(request.method === 'HEAD' ? undefined : text);
    };
    const path = request.url?.split('?')[0];
    if (request.method !== 'GET' && request.method !== 'HEAD') answer(405, 'GET only\n');
    else if (path === '/healthz') {
      if (seen.isHealthy()) answer(200, 'ok\n');
      else answer(503, 'the server of the queue does not answer\n');
    } else if (path === '/metrics') {
      metrics.text(seen).then(
        (text) => answer(200, text),
        () => answer(500, 'no metrics\n'),
      );
    } else answer(404, '/metrics or /healthz\n');
  });
  server.requestTimeout = 5000;
  server.maxConnections = 100;
  await listen(server, host, port).catch((error) => {
    throw systemFailure(error, 'a free address', `--metrics ${where}`);
  });
  const { port: bound } = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

function parseWhere(where: string): { host: string; port: number } {
  const [, host = '127.0.0.1', digits] = where.match(/^(?:(.+):)?(\d{1,5})$/) ?? [];
  const port = Number(digits);
  if (digits === undefined || port > 65535)
    throw expectedUsage('a port, or host:port', '--metrics', `'${where}'`);
  return { host: host.replace(/^\[|\]$/g, ''), port };
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
}
