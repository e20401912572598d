/**
 * evaluate and fitTemperature against others on fixed data: what scikit-learn, SciPy, torchmetrics and PyTorch answer
 * (../references/write.py ran them; their versions stand in ../references/evaluation.ts), and exact values from Python's
 * decimal with 50 digits (the temperature by bisection of the exact slope).
 */
import { describe, expect, it } from 'vitest';
import { evaluate, fitTemperature } from '../../lib/index.js';
import { elements, elementTypes } from '../elements.js';
import { others } from '../references/evaluation.js';
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
    logLoss: 2.960210345363337,
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
    temperature: 3.6615957866257243,
    fitted: 1.7865973723915636,
  },
  {
    name: '60 rows of 300',
    of: { rows: 60, classes: 300, step: 4099, unit: 64, wrong: 2 },
    k: 5,
    logLoss: 15.58486188032091,
    accuracy: 0.5,
    topKAccuracy: 0.5,
    brier: 0.918871122208649,
    entropy: 2.550227194461069,
    calibrationError: 0.31460009423174384,
    maxCalibrationError: 0.34670965984003016,
    counts: [0, 0, 51, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    confusion: undefined,
    temperature: 14.94113613035245,
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
    temperature: 0.3873063858107878,
    fitted: 1.0026946622852735,
  },
];

describe(`Evaluations as exact sums have them, on ${backendName}`, () => {
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

const expectClose = (received: number, expected: number, tolerance: number) =>
  expect(Math.abs(received / expected - 1), `${received}, and ${expected}`).toBeLessThan(tolerance);

describe(`Evaluations as scikit-learn, SciPy and torchmetrics have them, on ${backendName}`, () => {
  it.each(references)('$name', ({ name, of, k, logLoss }) => {
    const { x, targets } = data(of);
    const shape = [of.rows, of.classes];
    const received = evaluate(x, targets, { shape, k });
    const other = others.data[name as keyof typeof others.data];
    expect(received.accuracy).toBe(other.accuracy_score);
    expect(received.topKAccuracy).toBe(other.top_k_accuracy_score);
    expectClose(received.brier, other.brier_score_loss, 1e-14);
    expectClose(received.entropy, other.entropy, 1e-14);
    if (other.confusion_matrix) expect(Array.from(received.confusion ?? [])).toEqual(other.confusion_matrix);
    // torchmetrics adds up in float32.
    expectClose(received.accuracy, other.torchmetrics.top1, 1e-7);
    expectClose(received.topKAccuracy, other.torchmetrics.topK, 1e-7);
    expectClose(received.calibrationError, other.torchmetrics.l1, 1e-5);
    expectClose(received.maxCalibrationError, other.torchmetrics.max, 1e-5);
    // scikit-learn counts a probability below 2^-52 as that: the log loss is then too small.
    if (of.classes === 300) expect(other.log_loss).toBeLessThan(received.logLoss - 2);
    else expectClose(received.logLoss, other.log_loss, 1e-14);
    expectClose(received.logLoss, logLoss, 1e-14);
    const fit = fitTemperature(x, targets, { shape });
    // Where the loss is flat its minimiser sees no more of the temperature.
    expectClose(fit.temperature, other.minimize_scalar.temperature, 2e-7);
    expectClose(fit.logLoss, other.minimize_scalar.fun, 1e-14);
  });
});

/** Ours, where the others differ among themselves or go wrong; each line says first what the other answered. */
describe(`Where the others differ, on ${backendName}`, () => {
  const { differences } = others;

  it('a target that cannot be: scikit-learn has a finite log loss, PyTorch and we Infinity', () => {
    const x = [
      [0, -Infinity, 0],
      [0, 0, 0],
    ];
    const other = differences.impossible;
    const received = evaluate(x, [1, 0]);
    // ln 2^52 and ln 2^23, and ln 3, on average.
    expect(other.log_loss).toBeCloseTo((52 * Math.LN2 + Math.log(3)) / 2, 12);
    expect(other['log_loss of float32']).toBeCloseTo((23 * Math.LN2 + Math.log(3)) / 2, 5);
    expect([received.logLoss, other['F.cross_entropy']]).toEqual([Infinity, Infinity]);
    expect(received.entropy).toBeCloseTo(other.entropy, 14);
    expect(received.brier).toBeCloseTo(other.brier_score_loss, 14);
  });

  it('ties: scikit-learn lets the last class win in top-k, and torchmetrics any; we the first', () => {
    const other = differences.tied;
    expect(other['top_k_accuracy_score, k 1']).toBeLessThan(other['accuracy_score of argmax']);
    const x = [
      [1, 1, 0],
      [1, 1, 0],
      [0, 2, 2],
    ];
    const { accuracy, topKAccuracy } = evaluate(x, [0, 1, 1], { k: 1 });
    expect([accuracy, topKAccuracy]).toEqual([other['accuracy_score of argmax'], accuracy]);
    // Of five equal logits, the target the first.
    const [top1, top2] = differences['equal logits'].multiclass_accuracy;
    expect([top1, top2]).toEqual([1, 0]);
    for (const k of [1, 2, 3]) expect(evaluate([1, 1, 1, 1, 1], [0], { k }).topKAccuracy).toBe(1);
  });

  it('a probability of 0.5 among four bins: torchmetrics puts it above the edge, we below', () => {
    const x = [
      [0, 0, -Infinity],
      [0.5, 0, 0],
      [1, 0, 0],
    ];
    const p = (logit: number) => Math.exp(logit) / (Math.exp(logit) + 2);
    const [low, high] = [p(0.5), p(1)];
    const [theirs] = differences['on an edge'].multiclass_calibration_error;
    // The first row is wrong, the others are right.
    expect(theirs).toBeCloseTo((1 - low) / 3 + (2 / 3) * Math.abs((0.5 + high) / 2 - 0.5), 6);
    const received = evaluate(x, [1, 0, 0], { bins: 4 });
    expect(received.bins.map(({ count }) => count)).toEqual([0, 2, 1, 0]);
    expect(received.calibrationError).toBeCloseTo(
      (1 - high) / 3 + (2 / 3) * Math.abs((0.5 + low) / 2 - 0.5),
      14,
    );
  });

  it('a probability of 1: torchmetrics gives it a bin of its own, we the last', () => {
    const x = [
      [0, -Infinity, -Infinity],
      [2.5, 0, -Infinity],
    ];
    const p = 1 / (1 + Math.exp(-2.5));
    const [l1, max] = differences.certain.multiclass_calibration_error;
    expect(max).toBe(1);
    expect(l1).toBeCloseTo(0.5 + (1 - p) / 2, 6);
    const received = evaluate(x, [1, 0], { bins: 4 });
    expect(received.bins.map(({ count }) => count)).toEqual([0, 0, 0, 2]);
    expect(received.calibrationError).toBeCloseTo((1 + p) / 2 - 0.5, 14);
  });

  it('all rows ignored: torchmetrics has an accuracy of 0; PyTorch and we NaN', () => {
    const other = differences['all ignored'];
    expect([other.multiclass_accuracy, other['F.cross_entropy']]).toEqual([0, NaN]);
    const { rows, accuracy, logLoss } = evaluate(
      [
        [0, 0],
        [0, 0],
      ],
      [-100, -100],
    );
    expect([rows, accuracy, logLoss]).toEqual([0, NaN, NaN]);
  });

  it('no temperature is best: SciPy and we end at the bounds, the usual LBFGS where its steps end', () => {
    const separable = fitTemperature(
      [
        [2, 0, 1],
        [0, 1, 0],
        [0, 0.5, 0.625],
      ],
      [0, 1, 2],
    );
    expectClose(separable.temperature, differences.separable.minimize_scalar, 1e-6);
    expect(differences.separable.LBFGS).toBeGreaterThan(1);
    const wrong = fitTemperature(
      [
        [2, 0, 1],
        [0, 1, 0],
      ],
      [1, 0],
    );
    expectClose(wrong.temperature, differences['always wrong'].minimize_scalar, 1e-6);
    expect(differences['always wrong'].LBFGS).toBeLessThan(2);
  });

  it('ordinary logits: the usual LBFGS answers a temperature below 0, SciPy and we the best one', () => {
    const { x, targets, LBFGS, minimize_scalar } = differences.ordinary;
    expect(LBFGS).toBeLessThan(0);
    const { temperature, converged } = fitTemperature(Float64Array.from(x), [...targets], { shape: [30, 5] });
    expectClose(temperature, minimize_scalar, 2e-7);
    expect(converged).toBe(true);
  });
});
