import type { Data, ElementType, Rows } from '../problem.js';
import { decodingTable, encode, type HalfType } from './half.js';

/** How a row is read: its place, its stride, its type, and which of its classes take part. */
export class RowReader {
  readonly rows: number;
  /** Of the row that is open: its number, its classes, the place of the first of them and their distance. */
  row = 0;
  length = 0;
  base = 0;
  readonly stride: number;
  readonly isDouble: boolean;
  /** Whether any class of any row may be left out. */
  readonly masked: boolean;
  /** Classes from this on are padding. */
  valid = 0;

  constructor(private readonly problem: Rows) {
    this.rows = problem.outer * problem.inner;
    this.stride = problem.inner;
    this.isDouble = problem.type === 'float64';
    this.masked = problem.where !== undefined || problem.lengths !== undefined;
  }

  open(row: number): void {
    const { inner, length, offsets, lengths } = this.problem;
    this.row = row;
    if (offsets) {
      this.base = offsets[row];
      this.length = offsets[row + 1] - offsets[row];
    } else {
      const outer = Math.floor(row / inner);
      this.base = outer * length * inner + (row - outer * inner);
      this.length = length;
    }
    this.valid = lengths ? Math.min(lengths[row], this.length) : this.length;
  }

  /** Classes [from, from + count) of the open row as float64; those that take no part as -Infinity. */
  load(from: number, count: number, into: Float64Array): void {
    const { x, type } = this.problem;
    this.copy(x, type, from, count, into);
    if (!this.masked) return;
    const { where, whereShared } = this.problem;
    if (where) {
      const step = whereShared ? 1 : this.stride;
      const at = (whereShared ? 0 : this.base) + from * step;
      for (let i = 0; i < count; i++) if (where[at + i * step] === 0) into[i] = -Infinity;
    }
    if (from + count > this.valid) into.fill(-Infinity, Math.max(this.valid - from, 0), count);
  }

  /** The same classes of another array in the layout of `x`. */
  copy(data: Data, type: ElementType, from: number, count: number, into: Float64Array): void {
    const at = this.base + from * this.stride;
    if (type === 'float32') copyFloat32(data as Float32Array, at, this.stride, count, into);
    else if (type === 'float64') copyFloat64(data as Float64Array, at, this.stride, count, into);
    else decodeHalf(data as Uint16Array, decodingTable(type), at, this.stride, count, into);
  }

  takesPart(position: number): boolean {
    const { where, whereShared } = this.problem;
    if (position >= this.valid) return false;
    return where?.[whereShared ? position : this.base + position * this.stride] !== 0;
  }

  /** How many classes take part. */
  classes(): number {
    if (!this.problem.where) return this.valid;
    let count = 0;
    for (let i = 0; i < this.valid; i++) if (this.takesPart(i)) count++;
    return count;
  }
}

// Two functions of one body: V8 specialises a loop to the kind of array it has seen.
function copyFloat32(x: Float32Array, at: number, stride: number, count: number, into: Float64Array): void {
  if (stride === 1) for (let i = 0; i < count; i++) into[i] = x[at + i];
  else for (let i = 0; i < count; i++) into[i] = x[at + i * stride];
}

function copyFloat64(x: Float64Array, at: number, stride: number, count: number, into: Float64Array): void {
  if (stride === 1) for (let i = 0; i < count; i++) into[i] = x[at + i];
  else for (let i = 0; i < count; i++) into[i] = x[at + i * stride];
}

function decodeHalf(
  x: Uint16Array,
  table: Float64Array,
  at: number,
  stride: number,
  count: number,
  into: Float64Array,
): void {
  for (let i = 0; i < count; i++) into[i] = table[x[at + i * stride]];
}

/** Stores values divided by `divisor` at out[at], out[at + stride], …, each rounded once to the type. */
export function store(
  values: Float64Array,
  divisor: number,
  count: number,
  out: Data,
  type: ElementType,
  at: number,
  stride: number,
): void {
  if (type === 'float32') storeFloat32(values, divisor, count, out as Float32Array, at, stride);
  else if (type === 'float64') storeFloat64(values, divisor, count, out as Float64Array, at, stride);
  else storeHalf(values, divisor, count, out as Uint16Array, type, at, stride);
}

function storeFloat32(
  values: Float64Array,
  divisor: number,
  count: number,
  out: Float32Array,
  at: number,
  stride: number,
): void {
  if (stride === 1) for (let i = 0; i < count; i++) out[at + i] = values[i] / divisor;
  else for (let i = 0; i < count; i++) out[at + i * stride] = values[i] / divisor;
}

function storeFloat64(
  values: Float64Array,
  divisor: number,
  count: number,
  out: Float64Array,
  at: number,
  stride: number,
): void {
  if (stride === 1) for (let i = 0; i < count; i++) out[at + i] = values[i] / divisor;
  else for (let i = 0; i < count; i++) out[at + i * stride] = values[i] / divisor;
}

function storeHalf(
  values: Float64Array,
  divisor: number,
  count: number,
  out: Uint16Array,
  type: HalfType,
  at: number,
  stride: number,
): void {
  for (let i = 0; i < count; i++) out[at + i * stride] = encode(values[i] / divisor, type);
}
