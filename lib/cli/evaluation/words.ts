/** What the terminal and the page call things. */
import type { EvaluationResult, ReliabilityBin } from '../../index.js';

export interface Metric {
  readonly name: string;
  readonly value: string;
  /** What it is, in a sentence. */
  readonly meaning: string;
}

/** @param classes undefined where rows differ in length. */
export function metricsOf(result: EvaluationResult, k: number, classes: number | undefined): Metric[] {
  const top = Math.min(k, classes ?? k);
  return [
    {
      name: 'accuracy',
      value: percent(result.accuracy),
      meaning: 'rows whose likeliest class is the true one',
    },
    {
      name: `top-${top}`,
      value: percent(result.topKAccuracy),
      meaning: `rows whose true class is among the ${top} likeliest`,
    },
    {
      name: 'log loss',
      value: figure(result.logLoss),
      meaning: 'the mean of -ln p of the true class, in nats',
    },
    {
      name: 'perplexity',
      value: figure(result.perplexity),
      meaning: 'e to the log loss: among how many equal classes it would be as unsure',
    },
    {
      name: 'Brier',
      value: figure(result.brier),
      meaning: 'the mean squared distance to the truth, from 0 to 2',
    },
    {
      name: 'calibration error',
      value: percent(result.calibrationError),
      meaning: 'the mean distance between how sure it is and how often it is right',
    },
    {
      name: 'largest gap',
      value: percent(result.maxCalibrationError),
      meaning: 'the same in the worst bin',
    },
  ];
}

/** A share of one, as a percentage of two decimals. */
export function percent(share: number): string {
  return Number.isNaN(share) ? 'NaN' : `${(100 * share).toFixed(2)} %`;
}

/** Four decimals where they say something, an exponent where they do not. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(3);
  return size >= 100 ? value.toFixed(1) : value.toFixed(4);
}

export function nameOf(index: number, labels: readonly string[] | undefined): string {
  return labels?.[index] ?? String(index);
}

/** The edges of a bin, with as many digits as tell them apart. */
export function rangeOf({ lower, upper }: ReliabilityBin, bins: number): string {
  const digits = Math.max(2, Math.ceil(Math.log10(bins)));
  return `${lower.toFixed(digits)}–${upper.toFixed(digits)}`;
}
