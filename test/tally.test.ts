/** The addon adds up what `judge` said of rows as lib/calls/tally.ts does, whatever it said. */
import { describe, expect, test } from 'vitest';
import { chooseBackend } from '../lib/backends/backend.js';
import { type JudgeProblem, NO_RANK } from '../lib/backends/js/judge.js';
import { NO_CLASS } from '../lib/backends/js/topK.js';
import type { Backend } from '../lib/backends/problem.js';
import { Tally } from '../lib/calls/tally.js';
import { Random } from './random.js';

const native = chooseBackend('auto');
const numbers = new Random('tally');
const random = () => numbers.next();
const upTo = (n: number) => Math.floor(random() * n);

/** Rows of every kind, whose confidences lie on edges of the bins and beside them. */
function verdicts(rows: number, classes: number, bins: number): JudgeProblem {
  const said = {
    targets: new Int32Array(rows),
    targetRanks: new Uint32Array(rows),
    likeliest: new Uint32Array(rows),
    confidences: new Float64Array(rows),
    out: new Float64Array(rows),
    brierScores: new Float64Array(rows),
    entropies: new Float64Array(rows),
  };
  const put = (r: number, rank: number, top: number, ...numbers: [number, number, number, number]) => {
    said.targetRanks[r] = rank;
    said.likeliest[r] = top;
    [said.confidences[r], said.out[r], said.brierScores[r], said.entropies[r]] = numbers;
  };
  for (let r = 0; r < rows; r++) {
    said.targets[r] = upTo(classes);
    const kind = upTo(20);
    const edge = (1 + upTo(bins)) / bins;
    const around = [edge, edge * (1 + 2 ** -52), edge * (1 - 2 ** -53), edge * (1 - 1e-7), 1, 1e-300];
    if (kind === 0) put(r, 0, 0, 0, 0, 0, 0);
    else if (kind === 1) put(r, NO_RANK, NO_CLASS, NaN, 1, 1, 1);
    else if (kind === 2) put(r, classes, NO_CLASS, 0, 5, 1, 0);
    else {
      const p = kind < 9 ? Math.min(1, around[kind - 3]) : random();
      put(r, 1 + upTo(classes), upTo(classes), p, 30 * random() ** 9, random(), random());
    }
  }
  return said as unknown as JudgeProblem;
}

describe.skipIf(!native.tally)('the tally of the addon', () => {
  test.each([
    { rows: 1, classes: 1, bins: 1, k: 1 },
    { rows: 7, classes: 3, bins: 15, k: 2 },
    { rows: 10_000, classes: 10, bins: 15, k: 5 },
    { rows: 4097, classes: 300, bins: 64, k: 1 },
    { rows: 9000, classes: 5, bins: 65, k: 2 ** 31 },
    { rows: 5000, classes: 2, bins: 65_536, k: 1 },
  ])('$rows rows, $classes classes, $bins bins, k = $k', ({ rows, classes, bins, k }) => {
    const said = verdicts(rows, classes, bins);
    const resultOf = (backend: Backend) => {
      const tally = new Tally({ k, bins, ignoreIndex: -100, confusion: undefined });
      tally.expect(classes);
      tally.add(said, backend);
      tally.add(said, backend);
      return tally.result();
    };
    const [ours, twin] = [resultOf(native), resultOf({ ...native, tally: undefined } as unknown as Backend)];
    expect({ ...ours, ...EXACT }).toEqual({ ...twin, ...EXACT });
    for (const name of ['logLoss', 'brier', 'entropy', 'calibrationError'] as const) {
      expect(Math.abs(ours[name] - twin[name])).toBeLessThanOrEqual(1e-14 * Math.abs(twin[name]));
    }
    ours.bins.forEach(({ count, accuracy, confidence }, i) => {
      expect([count, accuracy]).toEqual([twin.bins[i].count, twin.bins[i].accuracy]);
      const gap = Math.abs(confidence - twin.bins[i].confidence);
      if (count > 0) expect(gap).toBeLessThanOrEqual(1e-15 * confidence);
    });
  });

  test('NaN and Infinity are no less than they are', () => {
    const said = verdicts(20, 3, 15);
    said.out[3] = Infinity;
    said.entropies[4] = NaN;
    const tally = new Tally({ k: 1, bins: 15, ignoreIndex: -100, confusion: false });
    tally.expect(3);
    tally.add(said, native);
    expect(tally.result()).toMatchObject({ logLoss: Infinity, entropy: NaN });
  });

  test('memory that is too short is refused', () => {
    const call = (over: Record<number, unknown>) => {
      const doubles = (length: number) => new Float64Array(length);
      const args: unknown[] = [
        ...[5, 15, 100, 3, new Int32Array(100), new Uint32Array(100), new Uint32Array(100)],
        ...[100, 100, 100, 100, 30, 30, 6, 2].map(doubles),
        new Uint32Array(9),
      ];
      for (const [at, value] of Object.entries(over)) args[Number(at)] = value;
      return () => (native.tally as (...args: unknown[]) => void)(...args);
    };
    expect(call({})).not.toThrow();
    for (let at = 4; at < 16; at++) {
      expect(call({ [at]: new Uint8Array(7) }), `argument ${at}`).toThrow(RangeError);
    }
    const wrong = { 0: -1, 1: 0, 2: 101, 3: 4, 4: 'no', 11: undefined };
    for (const [at, value] of Object.entries(wrong)) {
      expect(call({ [at]: value }), `argument ${at}`).toThrow(RangeError);
    }
    const across = (bytes: number) => new Uint8Array(bytes + 1).subarray(1);
    expect(call({ 7: across(800) })).toThrow(RangeError);
    expect(call({ 15: across(36) })).toThrow(RangeError);
    expect(call({ 1: 2 ** 20 })).toThrow(RangeError);
    expect(call({ 1: NaN })).toThrow(RangeError);
  });
});

/** What rounding may change; each is compared by itself. */
const EXACT = {
  ...{ logLoss: 0, perplexity: 0, brier: 0, entropy: 0, calibrationError: 0, maxCalibrationError: 0 },
  bins: 0,
};
