/** An input that the engine reads: a file, a folder, or a pipe that becomes files. */

import { once } from 'node:events';
import { createWriteStream, rmSync, statSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Reader } from '../batch.js';
import type { Blocks } from '../blocks.js';
import { expected, orSystemFailure, systemFailure } from '../failure.js';
import { type Format, isText } from '../formats.js';
import { type Bytes, openInput } from '../input.js';
import { unlessAborted } from '../interruption.js';
import { pathToRead } from '../root.js';
import type { ScoreFileOptions } from '../score-job.js';
import { truthColumn } from '../truth.js';
import { csvRelation } from './csv.js';
import { type Engine, engineFailure, openEngine } from './engine.js';
import { type Compression, compressionOf } from './head.js';
import { hasLongLine, type Lines, longLine, MOST_LINE_BYTES, newLines } from './long-line.js';
import { ndjsonRelation } from './ndjson.js';
import { parquetRelation } from './parquet.js';
import { cutsOf } from './pipe.js';
import { newEngineReader } from './reader.js';
import { type Choice, firstLength, type Place, type Relation } from './relation.js';
import { typedRelation } from './statement.js';
import { refuseCutOff } from './whole.js';

export interface EngineInput {
  readonly engine: Engine;
  readonly name: string;
  readonly choice: Choice;
  /** Whether it comes in pieces. */
  readonly pieces: boolean;
  /** How many bytes there are; of a pipe, how many have come. */
  readonly bytes: number;
  bytesRead(): number;
  /** The file, or one after the other the pieces of a pipe, each of which is gone when the next is asked for. */
  places(): AsyncGenerator<Place>;
  reader(options: ReadingOptions): Promise<Reader>;
  /**
   * @param rows how many were read.
   * @throws Failure where it was not all: what was compressed was damaged, or not whole. To be asked for before the output is.
   */
  refuseLoss(rows: number): Promise<void>;
  /** What the engine said of the input, in a line of ours; any other error as it is. */
  failure(error: unknown): unknown;
  close(): Promise<void>;
}

export interface ReadingOptions {
  readonly blocks: Blocks;
  readonly blockBytes: number;
  readonly done: number;
  readonly uniform: boolean;
  /** Whether the columns beside the logits go to Arrow: those of text then have types of their own. */
  readonly travels: boolean;
  onBadRow(row: number, what: string, received: string): 'skip' | 'nan';
}

/** So much of a pipe is read and scored at a time. */
const PIECE_BYTES = 1 << 23;
const CHUNK = 1 << 20;

/** @param to what is written, where the engine writes it too: text of a pipe then goes on as it comes. */
export async function openEngineInput(
  options: ScoreFileOptions,
  format: Format,
  to: Format | undefined,
): Promise<EngineInput> {
  const { input, signal } = options;
  const choice: Choice = {
    ...{ column: options.column, keep: options.keep, header: options.header, delimiter: options.delimiter },
    truth: truthColumn(options.truth),
  };
  let folder: string | undefined;
  const removeFolder = () => folder && rmSync(folder, { recursive: true, force: true });
  const folderOnce = async () => {
    if (folder === undefined) {
      folder = await mkdtemp(join(tmpdir(), 'simd-softmax-'));
      process.on('exit', removeFolder);
    }
    return folder;
  };
  let source: Bytes | undefined;
  const released: (() => void)[] = [];
  const closing = new AbortController();
  const checks: {
    readonly path: string;
    readonly lines: Lines | undefined;
    readonly whole: Promise<Compression>;
  }[] = [];
  const isCsv = format === 'csv' || format === 'tsv';
  /** Looks at it meanwhile. */
  const checked = (place: Place): Place => {
    if (format === 'parquet') return place;
    const lines = isCsv ? newLines() : undefined;
    const whole = refuseCutOff(place, lines?.add, closing.signal);
    whole.catch(() => {}); // told when it is asked for
    checks.push({ path: place.path, lines, whole });
    return place;
  };
  const { pipe, bytes } = kindOf(input);
  const engine = await openEngine(options.threads);
  const cuts = pipe && isText(format) && to !== undefined && isText(to);
  if (pipe) source = await unlessAborted(openInput(input), signal);
  const name = source?.name ?? input;

  async function* piecesBehind(start: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
    yield* start;
    for (let count = CHUNK; count === CHUNK; ) {
      const chunk = new Uint8Array(CHUNK);
      count = await unlessAborted(source!.fill(chunk), signal);
      yield chunk.subarray(0, count);
    }
  }

  /** A pipe as a file. */
  async function spool(start: readonly Uint8Array[] = []): Promise<Place> {
    const path = join(await folderOnce(), `input.${format}`);
    const file = createWriteStream(path);
    const failed = once(file, 'error').then(([error]) => {
      throw systemFailure(error, 'a writable file', path);
    });
    failed.catch(() => {});
    const lines = newLines();
    let plain: boolean | undefined;
    try {
      for await (const piece of piecesBehind(start)) {
        plain ??= compressionOf(piece) === 'none';
        if (isCsv && plain) lines.add(piece);
        if (lines.longest > MOST_LINE_BYTES) throw longLine(name, '');
        if (!file.write(piece)) await Promise.race([once(file, 'drain'), failed]);
      }
      file.end();
      await Promise.race([once(file, 'finish'), failed]);
    } finally {
      file.destroy();
    }
    return { name, path };
  }

  async function* places(): AsyncGenerator<Place> {
    if (!pipe) return yield checked(placeOf(input, (release) => released.push(release)));
    if (!cuts) return yield checked(await spool());
    const path = join(await folderOnce(), `piece.${format}`);
    let rest: Uint8Array = new Uint8Array(0);
    for (let ended = false, first = true; !ended; first = false) {
      const piece = new Uint8Array(PIECE_BYTES);
      const count = await unlessAborted(source!.fill(piece), signal);
      ended = count < PIECE_BYTES;
      const all =
        rest.length === 0 ? piece.subarray(0, count) : Buffer.concat([rest, piece.subarray(0, count)]);
      // What is compressed, or an array, cannot be cut.
      if (first && (compressionOf(all) !== 'none' || (!isCsv && isArray(all)))) {
        return yield checked(await spool([all]));
      }
      const cut = ended ? all.length : cutsOf(format, all);
      rest = all.slice(cut);
      if (cut === 0 && !ended) {
        if (all.length > MOST_LINE_BYTES)
          throw longLine(name, `from byte ${source!.position - all.length} on`);
        continue;
      }
      if (cut === 0 && !first) return;
      await writeFile(path, all.subarray(0, cut));
      yield { name, path };
    }
  }

  async function reader(reading: ReadingOptions): Promise<Reader> {
    const { value: place } = await places().next();
    let relation: Relation = await relationOf(engine, format, place as Place, choice, signal);
    if (reading.travels) relation = await typedRelation(engine, relation, signal);
    if (relation.chosen !== undefined) options.onNotice?.(relation.chosen);
    const travelling = reading.travels
      ? await (await import('./arrow/travel.js')).travelling(engine, relation, name, signal)
      : undefined;
    if (travelling) tellChanges(options, [...(relation.changes ?? []), ...travelling.changes]);
    const classes = reading.uniform ? await firstLength(engine, relation, signal) : relation.classes;
    return newEngineReader(engine, {
      ...{
        relation,
        name,
        first: 0,
        range: options.rows,
        op: options.op ?? 'softmax',
        errors: options.errors,
      },
      ...{ classes, truth: undefined, signal, blocks: reading.blocks, blockBytes: reading.blockBytes },
      ...{ travelling, truthColumn: choice.truth },
      done: reading.done,
      onBadRow: (row) => reading.onBadRow(row, '', ''),
    });
  }

  return {
    ...{ engine, name, choice, places, reader, pieces: cuts },
    get bytes() {
      return source?.position ?? bytes;
    },
    async refuseLoss(rows) {
      for (const { path, lines, whole } of checks) {
        const compression = await unlessAborted(whole, signal);
        if (lines && (await hasLongLine(engine, path, compression, lines, signal)))
          throw longLine(name, `as row ${rows}`);
      }
    },
    failure: (error) => engineFailure(error, KINDS[format] ?? format, name),
    bytesRead: () => source?.position ?? Math.round(engine.progress() * bytes),
    async close() {
      closing.abort();
      engine.close();
      await source?.close();
      for (const release of released) release();
      removeFolder();
      process.off('exit', removeFolder);
    },
  };
}

/** With more columns DuckDB takes minutes before the first row, and gigabytes. */
const MOST_COLUMNS = 10_000;

/** Which of it are logits, by the format. */
export async function relationOf(
  engine: Engine,
  format: Format,
  place: Place,
  choice: Choice,
  signal?: AbortSignal,
): Promise<Relation> {
  const relation = await (RELATIONS[format] ?? ndjsonRelation)(engine, place, choice, signal);
  const columns = relation.kept.length + (relation.classes ?? 1);
  if (columns > MOST_COLUMNS)
    throw expected(`at most ${MOST_COLUMNS} columns, or lists instead,`, place.name, columns);
  await engine.makeRoom(columns);
  return relation;
}

type RelationOf = (engine: Engine, place: Place, choice: Choice, signal?: AbortSignal) => Promise<Relation>;

const RELATIONS: Readonly<Partial<Record<Format, RelationOf>>> = {
  parquet: parquetRelation,
  csv: (engine, place, choice) => csvRelation(engine, place, 'csv', choice),
  tsv: (engine, place, choice) => csvRelation(engine, place, 'tsv', choice),
};

/** Of which columns the type is not kept, each once: in one line. */
export function tellChanges(
  { onNotice }: Pick<ScoreFileOptions, 'onNotice'>,
  changes: readonly string[] = [],
): void {
  const byColumn = new Map(changes.map((change) => [change.split(': ')[0], change]));
  if (changes.length > 0) onNotice?.([...byColumn.values()].join('; '));
}

/** What messages call a format. */
const KINDS: Readonly<Partial<Record<Format, string>>> = {
  ...{ parquet: 'a Parquet file', csv: 'a CSV', tsv: 'a TSV', ndjson: 'NDJSON', json: 'JSON' },
};

function isArray(bytes: Uint8Array): boolean {
  return /^\ufeff?\s*\[\s*[[{\]]/.test(Buffer.from(bytes.subarray(0, 1 << 12)).toString());
}

function kindOf(path: string): { readonly pipe: boolean; readonly bytes: number } {
  if (path === '-') return { pipe: true, bytes: 0 };
  const stats = orSystemFailure(
    () => {
      const { path: open, release } = pathToRead(path);
      try {
        return statSync(open);
      } finally {
        release();
      }
    },
    'a readable file',
    path,
  );
  return { pipe: !stats.isFile() && !stats.isDirectory(), bytes: stats.size };
}

function placeOf(path: string, onRelease: (release: () => void) => void): Place {
  const { path: open, release } = orSystemFailure(() => pathToRead(path), 'a readable file', path);
  onRelease(release);
  return { name: path, path: open, hive: statSync(open).isDirectory() };
}
