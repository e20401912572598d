import type { Data, ElementType, Rows } from '../problem.js';
import {
  block,
  compact,
  copyDecoded,
  copyFloat32,
  copyFloat64,
  maskByBits,
  maskByBytes,
  placeOfLargest,
  storeFloat32,
  storeFloat64,
  storeHalf,
} from './block.js';
import { decodingTable, encodingOf } from './half.js';
import { countBits, countBoth, countBytes } from './marks.js';
import { firstFrom, type Patches } from './patches.js';

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
  /** What a cut leaves: logits above this, and of those equal to it the classes up to `last`. */
  least = -Infinity;
  private last = Infinity;
  /** New logits of some classes, laid over those in memory. */
  patches: Patches | undefined;

  constructor(private readonly problem: Rows) {
    this.rows = problem.outer * problem.inner;
    this.stride = problem.inner;
    this.isDouble = problem.type === 'float64';
    const { where, bitmask, lengths } = problem;
    this.masked = where !== undefined || bitmask !== undefined || lengths !== undefined;
  }

  open(row: number): void {
    const { inner, length, offsets, lengths } = this.problem;
    this.row = row;
    if (offsets) {
      this.base = offsets[row];
      this.length = offsets[row + 1] - offsets[row];
    } else {
      this.base = baseOf(row, length, inner);
      this.length = length;
    }
    this.valid = lengths ? Math.min(lengths[row], this.length) : this.length;
    this.patches = undefined;
    this.cut(-Infinity);
  }

  get isCut(): boolean {
    return this.least > -Infinity;
  }

  /** From here on, classes of the open row below this one read as -Infinity. */
  cut(least: number, last = Infinity): void {
    this.least = least;
    this.last = last;
  }

  /** One logit, without a trace in the block. */
  logit(position: number): number {
    const kept = block[0];
    this.load(position, 1);
    const logit = block[0];
    block[0] = kept;
    return logit;
  }

  /**
   * Fills the block with classes [from, from + count) of the open row; those that take no part as -Infinity.
   * Returns the place of a NaN, or else of the first of the largest.
   */
  load(from: number, count: number): number {
    const place = this.loadUncut(from, count);
    if (!this.isCut) return place;
    const { least, last } = this;
    for (let i = 0; i < count; i++) {
      const x = block[i];
      if (!(x > least || (x === least && from + i <= last))) block[i] = -Infinity;
    }
    return placeOfLargest(count);
  }

  /** The same, whatever was cut. */
  loadUncut(from: number, count: number): number {
    const { x, type, where, whereShared, bitmask } = this.problem;
    let place = load(x, type, this.base + from * this.stride, this.stride, count);
    if (!this.masked && this.patches === undefined) return place;
    const isOrdinary = block[place] < Infinity && this.patches === undefined;
    if (this.patches) {
      const { classes, logits } = this.patches;
      for (let i = firstFrom(classes, from); i < classes.length && classes[i] < from + count; i++)
        block[classes[i] - from] = logits[i];
    }
    if (from + count > this.valid) block.fill(-Infinity, Math.max(this.valid - from, 0), count);
    if (!isOrdinary || (!where && !bitmask)) {
      if (where || bitmask)
        for (let i = 0; i < count; i++) if (!this.takesPart(from + i)) block[i] = -Infinity;
      return placeOfLargest(count);
    }
    if (where) {
      const step = whereShared ? 1 : this.stride;
      place = maskByBytes(where, (whereShared ? 0 : this.base) + from * step, step, count);
    }
    if (bitmask) place = maskByBits(bitmask, this.wordsOfRow(), from, count);
    return place;
  }

  /**
   * Moves what the cut leaves of the block's classes [from, from + count), none of them NaN, to its front, and their places in
   * it to `places`; returns how many.
   */
  keep(from: number, count: number, places: Uint32Array): number {
    const { least } = this;
    const kept = compact(count, Math.max(least, -Number.MAX_VALUE), places);
    const last = this.last - from;
    if (last >= count - 1) return kept;
    let above = 0;
    for (let i = 0; i < kept; i++) {
      if (block[i] === least && places[i] > last) continue;
      block[above] = block[i];
      places[above++] = places[i];
    }
    return above;
  }

  takesPart(position: number): boolean {
    const { where, whereShared, bitmask } = this.problem;
    if (position >= this.valid) return false;
    if (bitmask && ((bitmask[this.wordsOfRow() + (position >> 5)] >>> (position & 31)) & 1) === 0)
      return false;
    return where?.[whereShared ? position : this.base + position * this.stride] !== 0;
  }

  /** Where the words of the open row begin in the bitmask. */
  private wordsOfRow(): number {
    const { bitmaskShared, length } = this.problem;
    return bitmaskShared ? 0 : this.row * Math.ceil(length / 32);
  }

  /** How many of classes [from, from + count) take part. */
  participants(from: number, count: number): number {
    const end = Math.min(from + count, this.valid);
    const { where, whereShared, bitmask } = this.problem;
    if (!(end > from)) return 0;
    if (!where && !bitmask) return end - from;
    const words = this.wordsOfRow();
    if (!where && from === 0) return countBits(bitmask as Uint32Array, words, end);
    const step = whereShared ? 1 : this.stride;
    const first = whereShared ? 0 : this.base;
    if (where && !bitmask && step === 1) return countBytes(where, first + from, first + end);
    if (where && bitmask && from === 0) return countBoth(where, first, step, bitmask, words, end);
    let participants = 0;
    for (let i = from, at = first + from * step; i < end; i++, at += step) {
      const bit = bitmask ? (bitmask[words + (i >>> 5)] >>> (i & 31)) & 1 : 1;
      if (where?.[at] !== 0) participants += bit;
    }
    return participants;
  }

  /** How many elements of all rows take part. */
  allParticipants(): number {
    const { x, where, whereShared, bitmask, bitmaskShared, lengths } = this.problem;
    if (!this.masked) return x.length;
    if (where && !whereShared && !bitmask && !lengths) return countBytes(where, 0, x.length);
    // Of rows that are alike one is counted.
    const areAlike = !lengths && (!where || whereShared) && (!bitmask || bitmaskShared);
    let participants = 0;
    for (let row = 0; row < (areAlike ? Math.min(this.rows, 1) : this.rows); row++) {
      this.open(row);
      participants += this.participants(0, this.length);
    }
    return areAlike ? participants * this.rows : participants;
  }
}

/** Where the first class of a row lies. */
export function baseOf(row: number, length: number, inner: number): number {
  const outer = inner === 1 ? row : Math.floor(row / inner);
  return outer * length * inner + (row - outer * inner);
}

/** Fills the block from x[at], x[at + stride], …; returns the place of a NaN, or else of the first of the largest. */
export function load(x: Data, type: ElementType, at: number, stride: number, count: number): number {
  if (type === 'float32') return copyFloat32(x as Float32Array, at, stride, count);
  if (type === 'float64') return copyFloat64(x as Float64Array, at, stride, count);
  return copyDecoded(x as Uint16Array, decodingTable(type), at, stride, count);
}

/** Stores the block divided by `divisor` at out[at], out[at + stride], …, each rounded to the type. */
export function store(
  divisor: number,
  count: number,
  out: Data,
  type: ElementType,
  at: number,
  stride: number,
): void {
  if (type === 'float32') storeFloat32(divisor, count, out as Float32Array, at, stride);
  else if (type === 'float64') storeFloat64(divisor, count, out as Float64Array, at, stride);
  else storeHalf(divisor, count, out as Uint16Array, encodingOf(type), at, stride);
}
