/**
 * Flatbuffers, as far as the messages of Arrow need them: https://flatbuffers.dev/internals.
 *
 *     root       uint32   → table
 *     table      int32    → its vtable (behind it), then fields
 *     vtable     uint16   its size, uint16 the table's size, then of each field where it lies in the table, or 0
 *     vector     uint32   count, then items; a reference to one is a uint32 from where it stands
 *
 * Reading throws RangeError for whatever leaves the bytes.
 */

export class Table {
  constructor(
    readonly view: DataView,
    readonly at: number,
  ) {
    view.getInt32(at, true);
  }

  /** The table that a buffer begins with. */
  static root({ buffer, byteOffset, byteLength }: Uint8Array): Table {
    const view = new DataView(buffer, byteOffset, byteLength);
    return new Table(view, view.getUint32(0, true));
  }

  /** Where a field lies; 0 where it has its default. */
  field(slot: number): number {
    const vtable = this.at - this.view.getInt32(this.at, true);
    const entry = 4 + slot * 2;
    if (entry >= this.view.getUint16(vtable, true)) return 0;
    const offset = this.view.getUint16(vtable + entry, true);
    return offset === 0 ? 0 : this.at + offset;
  }

  int8(slot: number): number {
    const at = this.field(slot);
    return at === 0 ? 0 : this.view.getInt8(at);
  }

  int16(slot: number): number {
    const at = this.field(slot);
    return at === 0 ? 0 : this.view.getInt16(at, true);
  }

  int64(slot: number): number {
    const at = this.field(slot);
    return at === 0 ? 0 : int64(this.view, at);
  }

  table(slot: number): Table | undefined {
    const at = this.field(slot);
    return at === 0 ? undefined : new Table(this.view, at + this.view.getUint32(at, true));
  }

  /** Where the items of a vector start, of so many bytes each, and how many there are: all within the bytes. */
  vector(slot: number, itemBytes: number): { readonly start: number; readonly count: number } {
    const field = this.field(slot);
    if (field === 0) return { start: 0, count: 0 };
    const at = field + this.view.getUint32(field, true);
    const count = this.view.getUint32(at, true);
    const start = at + 4;
    if (start + count * itemBytes > this.view.byteLength) throw new RangeError('a vector of too many items');
    return { start, count };
  }

  tables(slot: number): Table[] {
    const { start, count } = this.vector(slot, 4);
    return Array.from({ length: count }, (_, i) => {
      const at = start + i * 4;
      return new Table(this.view, at + this.view.getUint32(at, true));
    });
  }
}

/** A count or a place: neither negative nor past what a number holds. */
export function int64(view: DataView, at: number): number {
  const value = Number(view.getBigInt64(at, true));
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`a size of ${value}`);
  return value;
}

/** A field of a table to be written; undefined leaves it out. */
export type NewField =
  | { readonly int8: number }
  | { readonly int16: number }
  | { readonly int64: number }
  /** Filled in by `point`. */
  | 'reference'
  | undefined;

/** Writes from front to back: what refers comes before what it refers to. */
export class Writer {
  #bytes = Buffer.alloc(1024);
  #size = 0;

  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#size);
  }

  /** A reference at the start, to be filled in by `point`. */
  root(): number {
    return this.#take(4, 4);
  }

  /** Returns where the table is, and where each of its fields. */
  table(fields: readonly NewField[]): { readonly at: number; readonly fields: readonly number[] } {
    const vtable = this.#take(4 + fields.length * 2, 2);
    this.#bytes.writeUInt16LE(4 + fields.length * 2, vtable);
    const at = this.#take(4, 8);
    this.#bytes.writeInt32LE(at - vtable, at);
    const places = fields.map((field, i) => {
      if (field === undefined) return 0;
      const size = field === 'reference' ? 4 : 'int64' in field ? 8 : 'int16' in field ? 2 : 1;
      const place = this.#take(size, size);
      if (field !== 'reference') {
        if ('int64' in field) this.#bytes.writeBigInt64LE(BigInt(field.int64), place);
        else if ('int16' in field) this.#bytes.writeInt16LE(field.int16, place);
        else this.#bytes.writeInt8(field.int8, place);
      }
      this.#bytes.writeUInt16LE(place - at, vtable + 4 + i * 2);
      return place;
    });
    this.#bytes.writeUInt16LE(this.#size - at, vtable + 2);
    return { at, fields: places };
  }

  /** Makes the reference at `from` one to `to`. */
  point(from: number, to: number): void {
    this.#bytes.writeUInt32LE(to - from, from);
  }

  /** A vector of structs, or numbers, of so many 64-bit integers each. */
  vector(items: readonly (readonly number[])[]): number {
    this.#take(0, 8);
    this.#take(4, 4);
    const at = this.#take(4, 4);
    this.#bytes.writeUInt32LE(items.length, at);
    for (const item of items) {
      for (const value of item) {
        const place = this.#take(8, 8);
        this.#bytes.writeBigInt64LE(BigInt(value), place);
      }
    }
    return at;
  }

  /** Bytes as they are; returns where they start. */
  append(bytes: Uint8Array): number {
    const at = this.#take(bytes.length, 8);
    this.#bytes.set(bytes, at);
    return at;
  }

  /** Room for so many bytes, zeros. */
  #take(size: number, alignment: number): number {
    const at = Math.ceil(this.#size / alignment) * alignment;
    this.#size = at + size;
    if (this.#size > this.#bytes.length) {
      this.#bytes = Buffer.concat([this.#bytes, Buffer.alloc(this.#size + this.#bytes.length)]);
    }
    return at;
  }
}
