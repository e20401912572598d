import { block, sumOfLanes, weigh } from './block.js';
import type { Normalizer } from './normalizer.js';
import { turns } from './steps.js';

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
  /** What the block holds: weights of the classes from here on. */
  private heldFrom = -1;
  private heldTurn = 0;
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
    this.heldFrom = -1;
    this.segment = GROUP;
    while (this.segment * SEGMENTS < valid) this.segment *= 2;
    this.count = Math.ceil(valid / this.segment);
    this.added = 0;
  }

  /** Adds up the next segments, about a block of them; true while there are more. */
  addBlock(): boolean {
    const { lanes, sums } = this;
    let s = this.added;
    let total = s === 0 ? 0 : sums[s - 1];
    const end = Math.min(this.count, s + Math.max(1, Math.floor(this.row.size / this.segment)));
    for (; s < end; s++) {
      lanes.fill(0);
      this.forEachPart(s, (from, to) => {
        sumOfLanes(from, to, lanes);
        return false;
      });
      const [a, b, c, d, e, f, g, h] = lanes;
      total += a + e + (c + g) + (b + f + (d + h));
      sums[s] = total;
    }
    this.added = end;
    return end < this.count;
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
    this.forEachPart(segment, (from, to, offset) => {
      for (let i = from; i < to; i++) {
        const weight = block[i];
        if (weight === 0) continue;
        running += weight;
        found = offset + i;
        if (running > target) return true;
      }
      return false;
    });
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

  /** Visits a segment's weights in the block, the first of which is class `offset`, until told to stop. */
  private forEachPart(s: number, visit: (from: number, to: number, offset: number) => boolean): void {
    const end = Math.min((s + 1) * this.segment, this.row.reader.valid);
    for (let at = s * this.segment; at < end; ) {
      const offset = at - (at % this.row.size);
      this.load(offset);
      const to = Math.min(end, offset + this.row.size);
      if (visit(at - offset, to - offset, offset)) return;
      at = to;
    }
  }

  private load(from: number): void {
    if (this.heldFrom === from && this.heldTurn === turns.count) return;
    const count = this.row.logits(from);
    this.weigher.weigh(count);
    this.row.changed();
    this.heldFrom = from;
    this.heldTurn = turns.count;
  }
}
