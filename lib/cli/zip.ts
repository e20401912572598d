/**
 * Zip archives, as far as .npz needs them: members stored or deflated, more than 4 GB too.
 * https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
 *
 *     local header   name   extra   data …       for each member
 *     directory      an entry per member: method, sizes, where its local header is
 *     [end of directory, 64 bits   its locator]
 *     end of directory   [comment]
 */
import { Readable } from 'node:stream';
import { createInflateRaw } from 'node:zlib';
import { expected } from './failure.js';
import { ByteSource, type Bytes, Section } from './input.js';
import { END, END_64, ENTRY, LOCAL, LOCATOR_64 } from './zip-records.js';

const END_BYTES = 22;
const LOCATOR_BYTES = 20;
const MOST_COMMENT = 0xffff;
const MOST_DIRECTORY = 1 << 26;
const CHUNK = 1 << 16;

interface Entry {
  readonly name: string;
  readonly method: number;
  readonly encrypted: boolean;
  readonly packed: number;
  readonly size: number;
  readonly header: number;
}

export function isZip(start: Uint8Array): boolean {
  return start[0] === 0x50 && start[1] === 0x4b && (start[2] === 3 || start[2] === 5);
}

/** @param member without or with its .npy; may be left out where there is one. */
export async function openZipMember(
  source: Bytes,
  member: string | undefined,
): Promise<{ bytes: Bytes; names: readonly string[] }> {
  const entries = await readDirectory(source);
  const names = entries.map(({ name }) => name.replace(/\.npy$/, ''));
  const at =
    member === undefined ? (entries.length === 1 ? 0 : -1) : names.indexOf(member.replace(/\.npy$/, ''));
  if (at < 0) {
    const what = member === undefined ? 'the name of one array behind a #' : `an array ${member}`;
    throw expected(what, source.name, names.slice(0, 20).join(', ') || 'an archive of nothing');
  }
  return { bytes: await openEntry(source, entries[at]), names };
}

async function read(source: Bytes, at: number, length: number): Promise<DataView> {
  const bytes = new Uint8Array(length);
  source.seek?.(at);
  if ((await source.fill(bytes)) < length) throw damaged(source, 'a part of one (the file is truncated)');
  return new DataView(bytes.buffer);
}

function damaged({ name }: Bytes, received: string) {
  return expected('a zip archive', name, received);
}

async function readDirectory(source: Bytes): Promise<Entry[]> {
  const { size = 0 } = source;
  const tail = Math.min(size, END_BYTES + MOST_COMMENT);
  const end = await read(source, size - tail, tail);
  let at = tail - END_BYTES;
  while (at >= 0 && end.getUint32(at, true) !== END) at--;
  if (at < 0) throw damaged(source, 'one without a directory (the file is truncated)');
  let count = end.getUint16(at + 10, true);
  let bytes = end.getUint32(at + 12, true);
  let start = end.getUint32(at + 16, true);
  if (count === 0xffff || bytes === 0xffffffff || start === 0xffffffff) {
    const locator = await read(source, Math.max(0, size - tail + at - LOCATOR_BYTES), LOCATOR_BYTES);
    if (locator.getUint32(0, true) !== LOCATOR_64) throw damaged(source, 'one without a directory');
    const large = await read(source, int64(locator, 8, source), 56);
    if (large.getUint32(0, true) !== END_64) throw damaged(source, 'one without a directory');
    count = int64(large, 32, source);
    bytes = int64(large, 40, source);
    start = int64(large, 48, source);
  }
  if (start + bytes > size || bytes > MOST_DIRECTORY) throw damaged(source, 'a directory outside of it');
  const directory = await read(source, start, bytes);
  const entries: Entry[] = [];
  for (let i = 0, from = 0; i < count; i++) {
    if (from + 46 > bytes || directory.getUint32(from, true) !== ENTRY)
      throw damaged(source, 'a part of a directory');
    const [name, extra, comment] = [28, 30, 32].map((field) => directory.getUint16(from + field, true));
    const next = from + 46 + name + extra + comment;
    if (next > bytes) throw damaged(source, 'a part of a directory');
    const large = largeSizes(directory, from + 46 + name, extra, source);
    // In this order, where 32 bits are too few.
    const field = (offset: number) => {
      const value = directory.getUint32(from + offset, true);
      return value === 0xffffffff ? (large.shift() ?? value) : value;
    };
    const own = field(24);
    entries.push({
      name: Buffer.from(directory.buffer, from + 46, name).toString('utf8'),
      method: directory.getUint16(from + 10, true),
      encrypted: (directory.getUint16(from + 8, true) & 1) !== 0,
      size: own,
      packed: field(20),
      header: field(42),
    });
    from = next;
  }
  return entries.filter(({ name }) => !name.endsWith('/'));
}

/** Of an entry's extra fields that of sizes with 64 bits. */
function largeSizes(view: DataView, start: number, length: number, source: Bytes): number[] {
  for (let at = start; at + 4 <= start + length; ) {
    const [id, bytes] = [view.getUint16(at, true), view.getUint16(at + 2, true)];
    const count = Math.floor(Math.min(bytes, start + length - at - 4) / 8);
    if (id === 1)
      return Array.from({ length: Math.min(3, count) }, (_, i) => int64(view, at + 4 + i * 8, source));
    at += 4 + bytes;
  }
  return [];
}

function int64(view: DataView, at: number, source: Bytes): number {
  const value = Number(view.getBigUint64(at, true));
  if (!Number.isSafeInteger(value)) throw damaged(source, `a size of ${value}`);
  return value;
}

async function openEntry(
  source: Bytes,
  { name, method, encrypted, packed, size, header }: Entry,
): Promise<Bytes> {
  const called = `${name} of ${source.name}`;
  if (encrypted) throw expected('an archive without a password', source.name, 'an encrypted one');
  if (method !== 0 && method !== 8) {
    throw expected('a member that is stored or deflated', called, `compression method ${method}`);
  }
  const local = await read(source, header, 30);
  if (local.getUint32(0, true) !== LOCAL) throw damaged(source, `${name} in another place`);
  const start = header + 30 + local.getUint16(26, true) + local.getUint16(28, true);
  if (start + packed > (source.size ?? 0)) throw damaged(source, `a part of ${name} (the file is truncated)`);
  const section = new Section(source, start, packed, called);
  if (method === 0) return section;
  const inflate = createInflateRaw();
  Readable.from(chunksOf(section))
    .on('error', (error) => inflate.destroy(error))
    .pipe(inflate);
  return new Inflated(called, guarded(inflate, called), size, () => {
    inflate.destroy();
    return source.close();
  });
}

async function* chunksOf(section: Section): AsyncGenerator<Uint8Array> {
  for (;;) {
    const chunk = new Uint8Array(CHUNK);
    const count = await section.fill(chunk);
    if (count > 0) yield chunk.subarray(0, count);
    if (count < CHUNK) return;
  }
}

async function* guarded(chunks: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<Uint8Array> {
  try {
    yield* chunks;
  } catch (error) {
    const foreign = error instanceof Error && 'code' in error && String(error.code).startsWith('Z_');
    throw foreign ? expected('a deflated member', name, error.message) : error;
  }
}

/** A member that is read from front to back. */
class Inflated extends ByteSource {
  constructor(
    name: string,
    chunks: AsyncIterable<Uint8Array>,
    /** What the directory says; the array's header is to agree. */
    readonly unpacked: number,
    private readonly end: () => Promise<void>,
  ) {
    super(name, chunks);
  }

  override async close(): Promise<void> {
    await super.close();
    await this.end();
  }
}
