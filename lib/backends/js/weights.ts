import { block, sumOfLanes, weigh } from './block.js';
import type { Normalizer } from './normalizer.js';
import { placeRoom } from './scratch.js';

/** What one row's logits are turned into weights by: 2^((x·down - max)·up·perTemperature), 1 for the maximum. */
export class Weigher {
  max = 0;
  /** log2(e)/T, where that is in range; past 2^±500 the temperature is scaled by 2^∓600, and distances with it. */
  readonly perTemperature: number;
  readonly down: number;
  readonly up: number;

  constructor(temperature: number) {
    this.down = temperature > 2 ** 500 ? 2 ** -600 : 1;
    this.up = temperature < 2 ** -500 ? 2 ** 600 : 1;
    this.perTemperature = Math.LOG2E / (temperature * this.down * this.up);
  }

  open(max: number): void {
    this.max = max * this.down;
  }

  /** A logit below which every weight is less than this one: -Infinity where that is not known. */
  logitOf(weight: number): number {
    // By a hundredth of a power of two below it: weights err by 1e-10.
    return this.down === this.up ? this.max + (Math.log2(weight) - 0.01) / this.perTemperature : -Infinity;
  }

  /** Replaces the first `count` logits of the block by their weights. */
  weigh(count: number): void {
    weigh(count, this);
  }
}

const SEGMENTS = 128;
const GROUP = 64;

/**
 * The weights of one row, summed by segments, of which there are few enough that any row can be searched with
 * so many numbers. Class i of a segment is added to lane i % 8, the lanes by a fixed tree, the segments in
 * order: the sums of native/kernels/ops/weights.h, bit for bit.
 */
export class Segments {
  private readonly sums = new Float64Array(SEGMENTS);
  private readonly lanes = new Float64Array(8);
  private segment = GROUP;
  private count = 0;
  private added = 0;

  constructor(
    private readonly row: Normalizer,
    private readonly weigher: Weigher,
  ) {}

  get total(): number {
    return this.sums[this.count - 1];
  }

  /** Turns to the open row, of which `addBlock` adds up what the cut leaves. */
  open(): void {
    const { valid } = this.row.reader;
    this.segment = GROUP;
    while (this.segment * SEGMENTS < valid) this.segment *= 2;
    this.count = Math.ceil(valid / this.segment);
    this.added = 0;
  }

  /** Adds up the next segments, about a block of them; true while there are more. */
  addBlock(): boolean {
    const { sums, segment } = this;
    const { size, reader } = this.row;
    let s = this.added;
    let total = s === 0 ? 0 : sums[s - 1];
    const end = Math.min(this.count, s + Math.max(1, Math.floor(size / segment)));
    for (; s < end; s++) {
      const from = s * segment;
      const to = Math.min(from + segment, reader.valid);
      total += segment <= size ? this.sumOfPart(from, to, undefined) : this.sumOfParts(from, to);
      sums[s] = total;
    }
    this.added = end;
    return end < this.count;
  }

  /** The sum of a segment that several blocks have a part of. */
  private sumOfParts(from: number, to: number): number {
    const { lanes } = this;
    const { size } = this.row;
    lanes.fill(0);
    let sum = 0;
    for (let at = from; at < to; at += size) sum = this.sumOfPart(at, Math.min(at + size, to), lanes);
    return sum;
  }

  private sumOfPart(from: number, to: number, lanes: Float64Array | undefined): number {
    const offset = this.load(from);
    return sumOfLanes(from - offset, to - offset, lanes);
  }

  /** How many classes, about, one `find` looks at. */
  get reach(): number {
    return this.segment + (this.row.length > this.row.size ? this.row.size : 0);
  }

  /**
   * The first class at which the running sum exceeds the target; where rounding kept it from that, the last
   * class of its segment that has a weight.
   */
  find(target: number): number {
    const segment = this.segmentOf(target);
    let running = segment === 0 ? 0 : this.sums[segment - 1];
    let found = segment * this.segment;
    const end = Math.min((segment + 1) * this.segment, this.row.reader.valid);
    for (let at = found; at < end; ) {
      const offset = this.load(at);
      const to = Math.min(end, offset + this.row.size);
      for (; at < to; at++) {
        const weight = block[at - offset];
        if (weight === 0) continue;
        running += weight;
        found = at;
        if (running > target) return found;
      }
    }
    return found;
  }

  /** The segment in which the running sum first exceeds x; the last that adds to it where none does. */
  private segmentOf(x: number): number {
    const { sums, total } = this;
    let low = 0;
    let high = this.count - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (sums[middle] > x || sums[middle] === total) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** Fills the block with the weights of all classes of the one that `index` lies in; returns the first of these. */
  private load(index: number): number {
    const { size } = this.row;
    const from = index < size ? 0 : index - (index % size);
    if (this.row.holds('weights', from)) return from;
    if (this.row.reader.isCut) this.loadCut(from);
    else this.weigher.weigh(this.row.logits(from));
    this.row.hold('weights', from);
    return from;
  }

  /** Weighs what the cut leaves, and gives all others 0. */
  private loadCut(from: number): void {
    const { row, weigher } = this;
    const count = row.uncut(from);
    const places = placeRoom(count);
    const kept = row.reader.keep(from, count, places);
    weigher.weigh(kept);
    block.fill(0, kept, count);
    // From the last on, for none lies before its rank.
    for (let i = kept - 1; i >= 0; i--) {
      const weight = block[i];
      block[i] = 0;
      block[places[i]] = weight;
    }
  }
}
