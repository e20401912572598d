/** Where the terms of a row are counted from if it is a shard of the classes, with a normaliser from outside. */
import { exponential } from './block.js';
import { twoSum } from './doubleDouble.js';
import {
  exponentOf,
  isDirect,
  type Origin,
  overTemperature,
  REACH,
  type Reduction,
  reduction,
} from './reduction.js';

/** A row counted from e^normalizer: its terms over `total` are e^(x/T - normalizer). */
export interface Normalized {
  readonly origin: Origin;
  readonly total: number;
}

const UNIT = reduction(1);

/** Powers of two that a result may exceed 1 by; native/kernels/shapes/rows.h has the same. */
const MOST = 40;

/**
 * For the log-sum-exp of a row that this one, with this finite maximum, is a shard of. Undefined for a number
 * so far below the maximum that it is the log-sum-exp of no such row: a result would exceed 2^40.
 */
export function originOfNormalizer(normalizer: number, max: number, by: Reduction): Normalized | undefined {
  const t = by.temperature * by.down * by.up;
  const lead = overTemperature(max, by);
  if (!((lead.high - normalizer) * Math.LOG2E <= MOST + 0.5)) return undefined;
  if (isDirect(max, by) && isDirect(normalizer, UNIT)) {
    const exponent = exponentOf(normalizer * UNIT.perStep);
    return {
      origin: { shift: 0, exponent, floor: normalizer * t - by.reach },
      total: exponential(normalizer, UNIT, { shift: 0, exponent, floor: normalizer }),
    };
  }
  // The logits are shifted by their maximum, so the normaliser is by max/T: a quotient needed past its last bit.
  const n = twoSum(normalizer, -lead.high);
  const vanishing = n.high > 2 * REACH;
  const high = vanishing ? 2 * REACH : n.high;
  const exponent = exponentOf(high * UNIT.perStep);
  return {
    origin: { shift: max * by.down, exponent, floor: high * t - by.reach },
    total:
      exponential(high, UNIT, { shift: 0, exponent, floor: high }) * (1 + (vanishing ? 0 : n.low - lead.low)),
  };
}
