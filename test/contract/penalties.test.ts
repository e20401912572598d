import { describe, expect, it } from 'vitest';
import type { Logits, SampleOptions } from '../../lib/index.js';
import { logSoftmax, prepare, sample } from '../../lib/index.js';
import { elements, elementTypes, numbers } from '../elements.js';
import { budget, Random, seed } from '../random.js';
import { expectDistribution } from './distribution.js';
import { backendName, ways } from './ways.js';

const NO_CLASS = 2 ** 32 - 1;

/** The log-probabilities that the draws of one row had, by class; what no draw hit is undefined. */
function logsOf(x: Logits, options: SampleOptions, classes: number): (number | undefined)[] {
  const logProbabilities = new Float64Array(4000);
  const draws = Uint32Array.from(sample(x, { seed: 1, count: 4000, ...options, logProbabilities }));
  const logs = new Array<number | undefined>(classes).fill(undefined);
  draws.forEach((draw, i) => {
    logs[draw] = logProbabilities[i];
  });
  return logs;
}

describe(`Bias and penalties on ${backendName}`, () => {
  const x = [2, 1, -1, 0.5, -0.25];

  // What vLLM makes of these logits: LogitBiasLogitsProcessor adds the bias; then apply_penalties of
  // model_executor/layers/utils.py (read at commit 00358600, 2026) divides positive logits of prompt and output by the
  // repetition penalty and multiplies others, and takes frequency_penalty * count and presence_penalty * (count > 0) of
  // the output from them. llama.cpp's llama_sampler_penalties_apply does the same over one list, and the first two rows are
  // those of transformers' RepetitionPenaltyLogitsProcessor, whose input_ids are both lists.
  it.each<{ options: SampleOptions; logits: number[] }>([
    { options: { history: [0, 2, 2], repetitionPenalty: 2 }, logits: [1, 1, -2, 0.5, -0.25] },
    {
      options: { history: [0], prompt: [2, 4, 0], repetitionPenalty: 2 },
      logits: [1, 1, -2, 0.5, -0.5],
    },
    { options: { history: [0, 2, 2], frequencyPenalty: 0.5 }, logits: [1.5, 1, -2, 0.5, -0.25] },
    { options: { history: [0, 2, 2], presencePenalty: 0.5 }, logits: [1.5, 1, -1.5, 0.5, -0.25] },
    { options: { prompt: [0, 2, 2], frequencyPenalty: 0.5, presencePenalty: 1 }, logits: x },
    { options: { history: [1, 1, 1], frequencyPenalty: -0.5 }, logits: [2, 2.5, -1, 0.5, -0.25] },
    {
      options: {
        history: [3, 3, 2],
        prompt: [0, 3],
        repetitionPenalty: 0.5,
        frequencyPenalty: 0.25,
        presencePenalty: 0.125,
      },
      logits: [4, 1, -0.875, 0.375, -0.25],
    },
    {
      options: { bias: { classes: [4, 0], values: [1.25, -3] }, history: [4, 0], repetitionPenalty: 2 },
      logits: [-2, 1, -1, 0.5, 0.5],
    },
    {
      options: { bias: { classes: [1, 1, 0], values: [0.5, 0.25, -0.5] } },
      logits: [1.5, 1.75, -1, 0.5, -0.25],
    },
  ])('$options: $logits', ({ options, logits }) => {
    const expected = logSoftmax(logits);
    for (const [type, given] of [
      ['nested', x],
      ['float32', Float32Array.from(x)],
      ['float64', Float64Array.from(x)],
    ] as const) {
      const logs = logsOf(given, options, x.length);
      logs.forEach((log, i) => {
        if (log !== undefined) expect(log, `${type}, class ${i}`).toBeCloseTo(expected[i], 12);
      });
      expect(logs.filter((log) => log !== undefined).length, type).toBeGreaterThanOrEqual(3);
    }
    const draws = Uint32Array.from(sample(x, { seed: 5, count: 40_000, ...options }));
    expectDistribution(draws, expected.map(Math.exp));
  });

  it('a bias of -Infinity rules a class out, and of all classes leaves nothing to draw', () => {
    const rule = (classes: number[]) => ({
      bias: { classes, values: classes.map(() => -Infinity) },
      seed: 3,
      count: 500,
    });
    expect(new Set(sample(x, rule([0, 1])))).toEqual(new Set([2, 3, 4]));
    expect(new Set(sample(x, rule([0, 1, 2, 3, 4])))).toEqual(new Set([NO_CLASS]));
    expect([...sample(x, { ...rule([0]), temperature: 0, count: 1 })]).toEqual([1]);
  });

  it('a class that a mask leaves out stays out, whatever is added to it', () => {
    const options = { bias: { classes: [0, 4], values: [50, 50] }, seed: 3, count: 200 };
    expect(new Set(sample(x, { ...options, where: [0, 1, 1, 1, 1] }))).toEqual(new Set([4]));
    expect(new Set(sample(x, { ...options, lengths: [4] }))).toEqual(new Set([0]));
    expect(new Set(sample(x, { ...options, where: [0, 1, 0, 1, 1], lengths: [4] }))).toEqual(new Set([1, 3]));
  });

  it('the logits of the caller are left as they are', () => {
    for (const given of [Float32Array.from(x), Float64Array.from(x)]) {
      const before = [...given];
      const bias = { classes: [0, 1, 2, 3, 4], values: [1, 2, 3, 4, 5] };
      sample(given, { bias, history: [1, 2], repetitionPenalty: 3, topK: 2, topP: 0.5 });
      expect([...given]).toEqual(before);
    }
  });

  it('prepared: lists stay as they were when it was prepared', () => {
    const history = Uint32Array.of(0, 1);
    const classes = Uint32Array.of(0);
    const values = Float64Array.of(-Infinity);
    const options = { shape: [5], history, bias: { classes, values }, presencePenalty: 40 };
    using prepared = prepare('sample', { ...options, seed: 1, count: 100 });
    history.fill(3);
    classes.fill(2);
    values.fill(0);
    prepared.input.set(x);
    for (let run = 0; run < 3; run++) expect(new Set(prepared.run())).toEqual(new Set([2, 3, 4]));
  });

  it('one list for every row, or a part for each', () => {
    const rows = Float32Array.from([...x, ...x, ...x]);
    const options = { shape: [3, 5], seed: [1, 2, 3], count: 30, frequencyPenalty: 1.5 };
    const shared = sample(rows, { ...options, history: [0, 1, 0] });
    const each = sample(rows, {
      ...options,
      history: [0, 1, 0, 0, 1, 0, 0, 1, 0],
      historyOffsets: [0, 3, 6, 9],
    });
    expect([...shared]).toEqual([...each]);
    const other = sample(rows, {
      ...options,
      history: [0, 0, 0, 4],
      historyOffsets: Uint32Array.of(0, 3, 3, 4),
    });
    [[0, 0, 0], [], [4]].forEach((history, row) => {
      const alone = sample(x, { seed: row + 1, count: 30, frequencyPenalty: 1.5, history });
      expect([...other.subarray(30 * row, 30 * row + 30)]).toEqual([...alone]);
    });
  });

  it('a list for every row of ragged ones may have classes that shorter rows have not', () => {
    const given = Float32Array.of(1, 2, 3, 4);
    const options = { offsets: [0, 1, 4], seed: 1, temperature: 0 };
    expect([...sample(given, { ...options, bias: { classes: [2, 0], values: [-5, -1] } })]).toEqual([0, 1]);
    expect(() =>
      sample(given, { ...options, bias: { classes: [1], values: [1], offsets: [0, 1, 1] } }),
    ).toThrow('Expected an integer from 0 to 0 for bias.classes[0] but received 1');
  });
});

describe(`Raw log-probabilities on ${backendName}`, () => {
  for (const type of elementTypes) {
    it(`are logSoftmax's of the class drawn, whatever changed it: ${type}`, async () => {
      const random = new Random(`raw ${type}`);
      for (const temperature of [0, 0.4, 3]) {
        const x = elements(random.fill(new Float64Array(4 * 60), 4), type);
        const where = Uint8Array.from({ length: 240 }, () => random.below(5));
        const options = { shape: [4, 60], dtype: type, where };
        const expected = logSoftmax(Float64Array.from(numbers(x, type)), { shape: [4, 60], where });
        for (const [how, api] of ways) {
          const rawLogProbabilities = new Float64Array(4 * 7);
          const draws = await api.sample(x, {
            ...options,
            temperature,
            seed: 4,
            count: 7,
            topK: 20,
            topP: 0.9,
            bias: { classes: [3, 9], values: [2, 1] },
            rawLogProbabilities,
          });
          draws.forEach((draw, i) => {
            const wanted = expected[60 * Math.floor(i / 7) + draw];
            expect(rawLogProbabilities[i], `${how}, temperature ${temperature}, draw ${i}`).toBeCloseTo(
              wanted,
              12,
            );
          });
        }
      }
    });
  }

  it('are NaN where nothing can be drawn', () => {
    const rawLogProbabilities = new Float64Array(6);
    const x = Float32Array.of(1, NaN, 1, Infinity, -Infinity, -Infinity);
    sample(x, { shape: [3, 2], seed: 1, count: 2, rawLogProbabilities });
    expect([...rawLogProbabilities]).toEqual(new Array(6).fill(NaN));
  });

  it('are there of prepared calls', () => {
    using prepared = prepare('sample', { shape: [4], dtype: 'float64', rawLogProbabilities: true, topK: 1 });
    prepared.input.set([1, 2, 0, 3]);
    expect([...prepared.run()]).toEqual([3]);
    expect(prepared.rawLogProbabilities?.[0]).toBeCloseTo(logSoftmax([1, 2, 0, 3])[3], 14);
  });
});

describe(`Every option at once on ${backendName} (seed ${seed})`, () => {
  for (const type of elementTypes) {
    it(`draws what js draws, and each row what it draws alone: ${type}`, async () => {
      const random = new Random(`everything ${type}`);
      for (let round = 0; round < 80 * budget; round++) {
        const { x, rows, classes, isAcross, options, alone } = posed(random, type);
        const logs = () => ({
          logProbabilities: new Float64Array(rows * 2),
          rawLogProbabilities: new Float64Array(rows * 2),
        });
        const js = logs();
        const expected = [...sample(x, { ...options, count: 2, ...js, backend: 'js' })];
        const place = `round ${round}: ${rows} x ${classes}, order ${options.order}`;
        for (const [how, api] of ways) {
          const own = logs();
          expect([...(await api.sample(x, { ...options, count: 2, ...own }))], `${how}, ${place}`).toEqual(
            expected,
          );
          for (const name of ['logProbabilities', 'rawLogProbabilities'] as const)
            own[name].forEach((log, i) => {
              const wanted = js[name][i];
              const isNear = Math.abs(log - wanted) <= 1e-11 * Math.max(1, Math.abs(wanted));
              expect(isNear || Object.is(log, wanted), `${log} for ${wanted}, ${name}, ${place}`).toBe(true);
            });
        }
        for (let row = 0; row < rows; row++) {
          const cells = Array.from({ length: classes }, (_, c) =>
            isAcross ? c * rows + row : row * classes + c,
          );
          const lone = sample(
            (x as Float64Array).filter((_, i) => cells.includes(i)),
            alone(row),
          );
          expect([...lone], `row ${row}, ${place}`).toEqual(expected.slice(2 * row, 2 * row + 2));
        }
      }
    });
  }
});

/** A batch with everything of every row's own, and the options of each row alone. */
function posed(random: Random, type: (typeof elementTypes)[number]) {
  const rows = 1 + random.below(6);
  const classes = 1 + random.below([12, 90, 1500][random.below(3)]);
  const range = [1, 4, 20][random.below(3)];
  const isTied = random.below(3) === 0;
  const values = random.fill(new Float64Array(rows * classes), range).map((value) => {
    if (random.below(60) === 0) return -Infinity;
    return isTied ? Math.round(value) : value;
  });
  const x = elements(values, type);
  const isAcross = random.below(4) === 0;
  const list = <T>(value: () => T) => Array.from({ length: rows }, value);
  const maybe = <T>(value: T) => (random.below(3) > 0 ? value : undefined);
  const classList = () =>
    Array.from({ length: random.below([4, 40, 200][random.below(3)]) }, () => random.below(classes));
  const each = {
    seed: list(() => random.below(2 ** 31)),
    offset: maybe(list(() => random.below(5))),
    temperature: maybe(list(() => [0, 0.7, 1, 1e-300, 2][random.below(5)])),
    topK: maybe(list(() => random.below(classes + 2) - 1)),
    topP: maybe(list(() => [0, 0.3, 0.9, 1][random.below(4)])),
    minP: maybe(list(() => [0, 0.1, 0.7, 1][random.below(4)])),
    repetitionPenalty: maybe(list(() => [0.5, 1, 1.3][random.below(3)])),
    frequencyPenalty: maybe(list(() => [-0.5, 0, 0.3][random.below(3)])),
    presencePenalty: maybe(list(() => [-0.5, 0, 0.7][random.below(3)])),
  };
  const order = (['transformers', 'vllm', 'llama.cpp', 'joint'] as const)[random.below(4)];
  const isShared = [random.below(3) === 0, random.below(3) === 0, random.below(3) === 0];
  const [biased, history, prompt] = isShared.map((shared) => {
    const one = classList();
    return list(() => (shared ? one : classList()));
  });
  const added = biased.map((classes) => classes.map((c) => Math.sin(c + 1) * 3));
  const starts = (lists: number[][]) => {
    const all = [0];
    for (const own of lists) all.push(all[all.length - 1] + own.length);
    return all;
  };
  const lengths = isAcross ? undefined : maybe(list(() => random.below(classes + 1)));
  const where = maybe(Uint8Array.from({ length: classes }, () => random.below(4)));
  const shared = { dtype: type, order };
  const options: SampleOptions = {
    ...shared,
    ...each,
    shape: isAcross ? [classes, rows] : [rows, classes],
    axis: isAcross ? 0 : -1,
    where:
      where && isAcross
        ? Uint8Array.from({ length: rows * classes }, (_, i) => where[Math.floor(i / rows)])
        : where,
    lengths,
    bias: isShared[0]
      ? { classes: biased[0], values: added[0] }
      : { classes: biased.flat(), values: added.flat(), offsets: starts(biased) },
    history: isShared[1] ? Uint32Array.from(history[0]) : Int32Array.from(history.flat()),
    historyOffsets: isShared[1] ? undefined : starts(history),
    prompt: isShared[2] ? prompt[0] : BigInt64Array.from(prompt.flat().map(BigInt)),
    promptOffsets: isShared[2] ? undefined : Uint32Array.from(starts(prompt)),
  };
  const alone = (row: number): SampleOptions => ({
    ...shared,
    ...Object.fromEntries(Object.entries(each).map(([name, values]) => [name, values?.[row]])),
    where,
    lengths: lengths && [lengths[row]],
    bias: { classes: biased[row], values: added[row] },
    history: history[row],
    prompt: prompt[row],
    count: 2,
  });
  return { x, rows, classes, isAcross, options, alone };
}

describe(`A vocabulary on ${backendName}`, () => {
  it('of which the likeliest are penalised, few or many, draws what js draws', () => {
    const classes = 128_256;
    const x = new Random('penalised vocabulary').fill(new Float32Array(2 * classes), 10);
    const best = Array.from({ length: classes }, (_, i) => i).sort((a, b) => x[b] - x[a]);
    for (const few of [1, 10, 60, 200, 3000]) {
      for (const topK of [1, 50, 450, 2000]) {
        const options = {
          shape: [2, classes],
          topK,
          topP: 0.95,
          seed: [few, topK],
          count: 20,
          history: best.slice(0, few),
          presencePenalty: 0.5,
          bias: { classes: [best[70], best[60_000]], values: [0.2, 18] },
        };
        const expected = sample(x, { ...options, backend: 'js' });
        expect([...sample(x, options)], `${few} of the likeliest, top ${topK}`).toEqual([...expected]);
      }
    }
  });
});
