/**
 * What the engine writes of batches that it has not read: a table function of SQL gives it the rows of one. Text is written
 * batch by batch, and follows what is there; Parquet in parts, which become one file at the end.
 */
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ScoredBatch, Writer } from '../batch.js';
import { labelled } from '../columns.js';
import type { NativeField } from '../formats/arrow/columns.js';
import type { Format, WriterOptions } from '../formats.js';
import type { Output } from '../output.js';
import { NO_CLASS } from '../scoring.js';
import { engineColumn } from './arrow/columns.js';
import { SCHEMA, schemaText } from './arrow/schema.js';
import type { Chunk } from './bindings.js';
import { bareLine, type Content, outputColumns, selected } from './content.js';
import { copyRows } from './copy.js';
import { type Engine, engineFailure, openEngine, pathLiteral } from './engine.js';
import { tellChanges } from './input.js';
import { carried } from './metadata.js';
import { newPump } from './pump.js';

const CHUNK_ROWS = 2048;

export function newEngineWriter(format: Format, output: Output, options: WriterOptions): Writer {
  const { layout, threads } = options;
  const content: Content = {
    ...options,
    top: labelled(layout.fields, options.labels),
    labels: options.labels,
  };
  const bytes = layout.type === 'float64' ? 8 : 4;
  const type = bytes === 4 ? 'float32' : 'float64';
  const columns = layout.fields.map(({ native }, i) =>
    engineColumn((native as NativeField).field, i, format),
  );
  const kept = columns.map((column) => column.kept);
  const bare =
    format === 'ndjson' && layout.column === undefined && kept.length === 0 && content.content !== 'top';
  const pump = newPump(output, options.compression);
  const source = `batch_${randomBytes(4).toString('hex')}`;
  let engine: Engine | undefined;
  let folder = '';
  const removeFolder = () => rmSync(folder, { recursive: true, force: true });
  const parts: string[] = [];
  let current: ScoredBatch | undefined;
  let at = 0;
  let begun = false;

  async function open(): Promise<Engine> {
    if (engine) return engine;
    engine = await openEngine(threads);
    folder = await mkdtemp(join(tmpdir(), 'simd-softmax-'));
    process.on('exit', removeFolder);
    registerBatch(engine);
    return engine;
  }

  function registerBatch({ bindings, connection }: Engine): void {
    const definition = bindings.create_table_function();
    bindings.table_function_set_name(definition, source);
    const number = bindings.create_logical_type(bytes === 4 ? bindings.Type.FLOAT : bindings.Type.DOUBLE);
    const list = bindings.create_list_type(number);
    const classes = bindings.create_list_type(bindings.create_logical_type(bindings.Type.UINTEGER));
    bindings.table_function_set_bind(definition, (info) => {
      columns.forEach(({ make }, i) => {
        bindings.bind_add_result_column(info, `k${i}`, make(bindings));
      });
      if (content.content === 'one') return bindings.bind_add_result_column(info, 'p', number);
      if (content.content === 'all') return bindings.bind_add_result_column(info, 'p', list);
      bindings.bind_add_result_column(info, 'class', classes);
      bindings.bind_add_result_column(info, 'score', list);
    });
    bindings.table_function_set_init(definition, (info) => {
      at = 0;
      bindings.init_set_max_threads(info, 1);
    });
    bindings.table_function_set_function(definition, (_, chunk) => fill(engine!, chunk));
    bindings.register_table_function(connection, definition);
  }

  /** The next rows of the batch; none at its end. */
  function fill({ bindings, vectors }: Engine, chunk: Chunk): void {
    const rows = Math.min(CHUNK_ROWS, (current?.rows ?? 0) - at);
    bindings.data_chunk_set_size(chunk, rows);
    if (!current || rows === 0) return;
    const vector = (i: number) => bindings.data_chunk_get_vector(chunk, i);
    columns.forEach((column, i) => {
      column.fill(engine!, vector(i), current!.columns[i], at, at + rows);
    });
    const { scores, indices } = current;
    const [first, end] = [at, at + rows];
    at = end;
    if (content.content === 'one') {
      vectors.writeValues(bindings, vector(kept.length), scores.slice(first, end));
      return;
    }
    const width = current.width;
    const start = (row: number) => current?.offsets?.[row] ?? row * width;
    const offsets = new Int32Array(rows + 1);
    if (!indices) {
      for (let row = 0; row < rows; row++) {
        offsets[row + 1] = offsets[row] + start(first + row + 1) - start(first + row);
      }
      vectors.writeLists(bindings, vector(kept.length), { offsets }, scores.slice(start(first), start(end)));
      return;
    }
    const classes = new Uint32Array(rows * width);
    const best = new (bytes === 4 ? Float32Array : Float64Array)(rows * width);
    for (let row = 0; row < rows; row++) {
      let to = offsets[row];
      for (let i = start(first + row); i < start(first + row + 1); i++) {
        if (indices[i] === NO_CLASS) continue;
        classes[to] = indices[i];
        best[to++] = scores[i];
      }
      offsets[row + 1] = to;
    }
    vectors.writeLists(bindings, vector(kept.length), { offsets }, classes);
    vectors.writeLists(bindings, vector(kept.length + 1), { offsets }, best);
  }

  /** What the input said of itself, and what its columns were in Arrow. */
  function metadata(): ReadonlyMap<string, string> | undefined {
    if (layout.fields.length === 0 && !(layout.native instanceof Map)) return undefined;
    const fields = layout.fields.map(({ native }) => (native as NativeField).field);
    const said: ReadonlyMap<string, string> = layout.native instanceof Map ? layout.native : new Map();
    const all = new Map([...said, [SCHEMA, schemaText(fields, said)]]);
    return carried(
      all,
      { kept, type },
      columns.map(({ plain }) => plain(engine!)),
      content,
    );
  }

  async function copy(
    to: string,
    from: string,
    rowBytes: number,
    header: boolean,
    metadata?: ReadonlyMap<string, string>,
  ): Promise<void> {
    const open_ = await open();
    const numbers = { type, nonfinite: format !== 'parquet' && hasNonfinite(current) } as const;
    const columns = bare
      ? [{ sql: bareLine(content, numbers), name: 'line' }]
      : outputColumns(kept, content, format, numbers);
    const list = from === source ? selected(columns) : '*';
    const rows =
      content.content === 'top'
        ? `(SELECT *, {'class': "class", 'score': score} AS p FROM ${source}())`
        : `${source}()`;
    const relation = from === source ? rows : from;
    const names = header ? columns.map(({ name }) => name) : undefined;
    const copying = { format, bare, rowBytes, metadata, header: names, compression: pump.compression };
    try {
      await copyRows(open_, `SELECT ${list} FROM ${relation}`, to, copying);
    } catch (error) {
      throw engineFailure(error, 'a writable file', output.path ?? to);
    }
  }

  async function put(batch: ScoredBatch | undefined): Promise<void> {
    await open();
    current = batch;
    const part = join(folder, `${parts.length}.${format}`);
    const header = !begun;
    begun = true;
    const rowBytes =
      batch && batch.rows > 0 ? (batch.scores.byteLength + 8 * (batch.indices?.length ?? 0)) / batch.rows : 0;
    await copy(part, source, rowBytes, header);
    if (format === 'parquet') {
      parts.push(part);
      widest = Math.max(widest, rowBytes);
      return;
    }
    await pump.put(part);
    await rm(part);
  }
  let widest = 0;

  return {
    async begin() {
      if (format === 'parquet')
        tellChanges(
          options,
          columns.map(({ change }) => change).filter((change) => change !== undefined),
        );
    },
    write: put,
    async end() {
      if (!begun) await put(undefined);
      if (format === 'parquet') {
        const from = `read_parquet([${parts.map(pathLiteral).join(', ')}])`;
        const to = output.path ?? join(folder, 'whole');
        await copy(to, from, widest + 64 * kept.length, true, metadata());
        if (output.path === undefined) await pump.put(to);
      }
      await pump.end();
    },
    async close() {
      engine?.close();
      if (folder !== '') removeFolder();
      process.off('exit', removeFolder);
    },
  };
}

function hasNonfinite(batch: ScoredBatch | undefined): boolean {
  return batch !== undefined && !batch.scores.every(Number.isFinite);
}
