/**
 * evaluate and fitTemperature against others on fixed data: scikit-learn 1.2.1 (log_loss, accuracy_score, confusion_matrix,
 * top_k_accuracy_score), SciPy 1.10.1 (entropy, minimize_scalar), NumPy 1.24.2 (Brier score, bins), Python's decimal with 50
 * digits (`exact`; the temperature by bisection of the exact slope).
 */
import { describe, expect, it } from 'vitest';
import { evaluate, fitTemperature } from '../../lib/index.js';
import { elements, elementTypes } from '../elements.js';
import { backendName } from './ways.js';

/** Logits that every type holds exactly, and targets of which every `wrong`th is not the likeliest class by intention. */
function data({ rows, classes, step, unit, wrong }: { [name: string]: number }) {
  const x = Float64Array.from(
    { length: rows * classes },
    (_, i) => (((i * 7919 + 13) % step) - Math.floor(step / 2)) / unit,
  );
  const targets = Int32Array.from({ length: rows }, (_, r) => {
    const row = x.subarray(r * classes, (r + 1) * classes);
    return r % wrong === 0 ? (r * 31 + 7) % classes : row.indexOf(Math.max(...row));
  });
  return { x, targets };
}

const references = [
  {
    name: '500 rows of 10',
    of: { rows: 500, classes: 10, step: 1009, unit: 64, wrong: 3 },
    k: 5,
    logLoss: 2.960210345363337, // exact, and scikit-learn's
    accuracy: 0.714,
    topKAccuracy: 0.812,
    brier: 0.5384198270331152,
    entropy: 0.6505151304417952,
    calibrationError: 0.08858124863160612,
    maxCalibrationError: 0.19969993516007967,
    counts: [0, 0, 0, 0, 0, 0, 0, 0, 0, 90, 151, 62, 0, 197, 0],
    confusion: [
      32, 3, 0, 0, 8, 1, 0, 3, 0, 0, 0, 30, 3, 0, 0, 8, 0, 0, 3, 0, 0, 0, 32, 3, 0, 0, 8, 0, 0, 4, 5, 1, 0,
      34, 6, 0, 0, 3, 0, 0, 0, 5, 0, 0, 52, 6, 0, 0, 3, 0, 0, 0, 4, 0, 0, 52, 6, 0, 0, 4, 5, 0, 0, 5, 4, 0,
      54, 1, 0, 0, 0, 5, 0, 0, 5, 3, 0, 24, 1, 0, 0, 0, 5, 0, 0, 5, 3, 0, 24, 0, 4, 0, 0, 4, 1, 0, 5, 0, 0,
      23,
    ],
    temperature: 3.6615957866257243, // minimize_scalar: 3.661595727
    fitted: 1.7865973723915636,
  },
  {
    name: '60 rows of 300',
    of: { rows: 60, classes: 300, step: 4099, unit: 64, wrong: 2 },
    k: 5,
    logLoss: 15.58486188032091, // exact; scikit-learn, which counts probabilities below 1e-15 as that: 13.34269501896849
    accuracy: 0.5,
    topKAccuracy: 0.5,
    brier: 0.918871122208649,
    entropy: 2.550227194461069,
    calibrationError: 0.31460009423174384,
    maxCalibrationError: 0.34670965984003016,
    counts: [0, 0, 51, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    confusion: undefined,
    temperature: 14.94113613035245, // minimize_scalar: 14.941136714
    fitted: 5.17472175713919,
  },
  {
    name: '200 rows of 4 with ties at the top',
    of: { rows: 200, classes: 4, step: 3, unit: 2, wrong: 3 },
    k: 2,
    logLoss: 1.1324748490030996,
    accuracy: 0.745,
    topKAccuracy: 0.83,
    brier: 0.6134578570151471,
    entropy: 1.3120158416873577,
    calibrationError: 0.3612335441070912,
    maxCalibrationError: 0.5730672993047512,
    counts: [0, 0, 0, 0, 0, 133, 67, 0, 0, 0, 0, 0, 0, 0, 0],
    confusion: [66, 0, 17, 0, 0, 67, 17, 0, 0, 0, 16, 0, 0, 0, 17, 0],
    temperature: 0.3873063858107878, // minimize_scalar: 0.387306384
    fitted: 1.0026946622852735,
  },
];

describe(`Evaluations as scikit-learn, SciPy and exact sums have them, on ${backendName}`, () => {
  for (const reference of references) {
    const { x, targets } = data(reference.of);
    const { k, of } = reference;
    for (const type of elementTypes.filter((type) => type !== 'bfloat16' || of.classes === 4)) {
      // 4099 / 64 has more digits than float16 holds.
      if (type === 'float16' && of.classes === 300) continue;
      const dtype = type === 'float16' || type === 'bfloat16' ? { dtype: type } : {};
      const options = { shape: [of.rows, of.classes], ...dtype };
      const tolerance = type === 'float64' ? 2e-14 : 2e-7;
      const close = (received: number, expected: number, tolerance: number) =>
        expect(Math.abs(received / expected - 1), `${received}, and ${expected}`).toBeLessThan(tolerance);

      it(`${reference.name}, ${type}`, () => {
        const received = evaluate(elements(x, type), targets, { ...options, k });
        for (const name of ['accuracy', 'topKAccuracy'] as const)
          expect(received[name]).toBe(reference[name]);
        for (const name of [
          'logLoss',
          'brier',
          'entropy',
          'calibrationError',
          'maxCalibrationError',
        ] as const)
          close(received[name], reference[name], tolerance);
        close(received.perplexity, Math.exp(reference.logLoss), 20 * tolerance);
        expect(received.bins.map(({ count }) => count)).toEqual(reference.counts);
        expect(received.confusion && Array.from(received.confusion)).toEqual(reference.confusion);
      });

      it(`the temperature of ${reference.name}, ${type}`, () => {
        const { temperature, logLoss, logLossBefore, converged } = fitTemperature(
          elements(x, type),
          targets,
          options,
        );
        close(temperature, reference.temperature, 1e-9);
        close(logLoss, reference.fitted, 1e-12);
        close(logLossBefore, reference.logLoss, 1e-14);
        expect(converged).toBe(true);
      });
    }
  }
});
