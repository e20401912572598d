/** DuckDB, which reads and writes text and Parquet: an optional peer, loaded when a file needs it. */
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expected, type Failure } from '../failure.js';
import { needPeer } from '../peers.js';
import type { Bindings, Chunk, Connection, LogicalType } from './bindings.js';

/** What the engine says when a statement fails. */
export class EngineError extends Error {}

/** Each thread holds a page of Parquet, of up to 128 MiB, and what was in it: one thread may manage where several do not. */
export function ranOutOfMemory(error: unknown): boolean {
  return error instanceof EngineError && error.message.startsWith('Out of Memory');
}

/** Does it once more, on one thread, where memory runs out. */
export async function aloneIfShort<Result>(
  engine: Engine,
  signal: AbortSignal | undefined,
  task: (alone: boolean) => Promise<Result>,
): Promise<Result> {
  try {
    return await task(false);
  } catch (error) {
    if (!ranOutOfMemory(error)) throw error;
    await engine.run('SET threads = 1', signal);
    return await task(true);
  }
}

export interface Engine {
  readonly bindings: Bindings;
  readonly connection: Connection;
  /** Vectors in and out. */
  readonly vectors: typeof import('../../duckdb.js').vectors;
  /** Runs a statement to its end; returns how many rows it wrote. Rejects with the signal's reason. */
  run(sql: string, signal?: AbortSignal): Promise<number>;
  /** The rows of a query whose columns are all text: a small one. */
  texts(sql: string, signal?: AbortSignal): Promise<(string | null)[][]>;
  /** What the columns of a query are. */
  types(sql: string, signal?: AbortSignal): Promise<LogicalType[]>;
  /** The rows of a query as they come. No other statement may run meanwhile. */
  chunks(sql: string, signal?: AbortSignal): AsyncGenerator<Chunk>;
  /** Makes room for a file with so many columns. */
  makeRoom(columns: number): Promise<void>;
  /** How much of the statement that runs is done, from 0 to 1. */
  progress(): number;
  close(): void;
}

/** Beside this the engine and Node need some 300 MB at most: a run stays below 1 GB. */
const MEMORY_MB = 400;
/** Each column beyond so many has vectors of its own, in several places. */
const USUAL_COLUMNS = 1000;
const COLUMN_MB = 0.1;
/** `interrupt` of a statement that has not begun yet is lost: it is repeated. */
const INTERRUPT_MS = 20;

/**
 * node-api is what users install. Its bindings are loaded directly, because all of it takes twice as long to load.
 */
export function loadBindings(): Promise<Bindings> {
  return needPeer(['@duckdb/node-api'], 'CSV, JSON and Parquet', async () => {
    const nodeApi = createRequire(import.meta.url).resolve('@duckdb/node-api');
    return createRequire(nodeApi)('@duckdb/node-bindings') as Bindings;
  });
}

export async function openEngine(threads?: number): Promise<Engine> {
  const bindings = await loadBindings();
  const { vectors } = await import('../../duckdb.js');
  const spill = join(tmpdir(), `simd-softmax-${process.pid}-${randomBytes(4).toString('hex')}.spill`);
  const config = bindings.create_config();
  const settings = {
    ...(threads === undefined ? {} : { threads: String(threads) }),
    memory_limit: `${MEMORY_MB}MB`,
    temp_directory: spill,
    // It trusts a file's size and time of change: one that is replaced within a second would be read as it was.
    enable_external_file_cache: 'false',
    // Nothing is fetched from a network, whatever a file is called.
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    allow_persistent_secrets: 'false',
  };
  for (const [name, value] of Object.entries(settings)) bindings.set_config(config, name, value);
  const database = await bindings.open(':memory:', config);
  const connection = await bindings.connect(database);
  const removeSpill = () => rmSync(spill, { recursive: true, force: true });
  process.on('exit', removeSpill);
  await bindings.query(connection, 'SET enable_progress_bar = true');
  await bindings.query(connection, 'SET enable_progress_bar_print = false');
  // Times with a zone are written the same everywhere.
  await bindings.query(connection, "SET TimeZone = 'UTC'");

  async function interruptible<Result>(start: () => Promise<Result>, signal?: AbortSignal): Promise<Result> {
    signal?.throwIfAborted();
    let timer: NodeJS.Timeout | undefined;
    const interrupt = () => {
      bindings.interrupt(connection);
      timer ??= setInterval(() => bindings.interrupt(connection), INTERRUPT_MS);
    };
    signal?.addEventListener('abort', interrupt, { once: true });
    try {
      return await start();
    } catch (error) {
      signal?.throwIfAborted();
      throw error instanceof Error ? new EngineError(error.message) : error;
    } finally {
      clearInterval(timer);
      signal?.removeEventListener('abort', interrupt);
    }
  }

  /** A stream that fails in the middle just ends: the bindings do not say why. So a row of its own marks the end. */
  async function* chunks(sql: string, signal?: AbortSignal): AsyncGenerator<Chunk> {
    const marked = `SELECT *, false AS is_end FROM (${sql}) UNION ALL BY NAME SELECT true AS is_end`;
    const prepared = await interruptible(() => bindings.prepare(connection, marked), signal);
    const result = await interruptible(() => bindings.execute_prepared_streaming(prepared), signal);
    for (;;) {
      const chunk = await interruptible(() => bindings.fetch_chunk(result), signal);
      const rows = chunk ? bindings.data_chunk_get_size(chunk) : 0;
      if (!chunk || rows === 0) break;
      const isEnd = bindings.data_chunk_get_vector(chunk, bindings.data_chunk_get_column_count(chunk) - 1);
      const ended = vectors.dataOf(bindings, isEnd, rows, 1).getUint8(rows - 1) === 1;
      if (ended) bindings.data_chunk_set_size(chunk, rows - 1);
      if (!ended || rows > 1) yield chunk;
      if (ended) return;
    }
    signal?.throwIfAborted();
    // Run to the end, the same statement says it.
    await interruptible(() => bindings.query(connection, `SELECT count(COLUMNS(*)) FROM (${sql})`), signal);
    throw new EngineError('rows that cannot be read to their end');
  }

  return {
    bindings,
    connection,
    vectors,
    async run(sql, signal) {
      const result = await interruptible(() => bindings.query(connection, sql), signal);
      return bindings.rows_changed(result);
    },
    async texts(sql, signal) {
      const rows: (string | null)[][] = [];
      const result = await interruptible(() => bindings.query(connection, sql), signal);
      for (;;) {
        const chunk = await bindings.fetch_chunk(result);
        const size = chunk ? bindings.data_chunk_get_size(chunk) : 0;
        if (!chunk || size === 0) return rows;
        const columns = Array.from({ length: bindings.data_chunk_get_column_count(chunk) }, (_, i) =>
          vectors.textsOf(bindings, bindings.data_chunk_get_vector(chunk, i), size),
        );
        for (let row = 0; row < size; row++) rows.push(columns.map((column) => column[row]));
      }
    },
    async types(sql, signal) {
      const prepared = await interruptible(() => bindings.prepare(connection, sql), signal);
      return Array.from({ length: bindings.prepared_statement_column_count(prepared) }, (_, i) =>
        bindings.prepared_statement_column_logical_type(prepared, i),
      );
    },
    chunks,
    async makeRoom(columns) {
      if (columns <= USUAL_COLUMNS) return;
      const memory = MEMORY_MB + Math.ceil((columns - USUAL_COLUMNS) * COLUMN_MB);
      await bindings.query(connection, `SET memory_limit = '${memory}MB'`);
    },
    progress() {
      const { percentage } = bindings.query_progress(connection);
      return Math.max(0, percentage) / 100;
    },
    close() {
      bindings.disconnect_sync(connection);
      bindings.close_sync(database);
      removeSpill();
      process.off('exit', removeSpill);
    },
  };
}

/** What the engine says of a file, in one line of ours. */
export function engineFailure(error: unknown, what: string, name: string): unknown {
  if (!(error instanceof EngineError)) return error;
  const long = error.message.match(/on Line: (\d+)\n.*\nMaximum line size of (\d+) .* Actual Size:(\d+)/);
  if (long) return expected(`lines of at most ${long[2]} bytes`, `line ${long[1]} of ${name}`, long[3]);
  const [whole] = error.message.split(/\n\s*\n|\nPossible /);
  const lines = whole.split('\n').filter((line) => !/^(Original Line|Try |Column .* is being|\s)/.test(line));
  const reason = lines
    .join(' ')
    // A worker opens files by their numbers.
    .replace(/\/proc\/self\/fd\/\d+/g, name)
    .replace(/^(\w+ )*Error: /, '')
    .replace(/^The Parallel CSV Reader .*/, 'a line that is too long')
    .slice(0, 300)
    .trim();
  return expected(what, name, reason) satisfies Failure;
}

/** A name as SQL has it. SQL has none without letters: it is what pandas calls such a column. */
export function identifier(name: string): string {
  return `"${name === '' ? 'Unnamed: 0' : name.replaceAll('"', '""')}"`;
}

export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** A path as the engine's functions take it: what looks like a pattern is no pattern. */
export function pathLiteral(path: string): string {
  return literal(path.replace(/[[*?]/g, (c) => `[${c}]`));
}
