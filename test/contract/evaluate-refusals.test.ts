/** What evaluate, newEvaluation and fitTemperature refuse, in which words, and what a refused batch leaves behind. */
import { describe, expect, it } from 'vitest';
import { evaluate, fitTemperature, newEvaluation } from '../../lib/index.js';
import * as promises from '../../lib/promises.js';
import type { ClassTargets, EvaluateOptions } from '../../lib/types/evaluation.js';
import { backendName } from './ways.js';

const x = [
  [1, 2],
  [3, 1],
];

describe(`An evaluation, on ${backendName}`, () => {
  it.each([
    [{ k: 0 }, 'RangeError', 'Expected an integer of at least 1 for k but received 0'],
    [{ k: '5' }, 'TypeError', 'Expected an integer of at least 1 for k but received "5"'],
    [{ bins: 0 }, 'RangeError', 'Expected an integer from 1 to 65536 for bins but received 0'],
    [{ bins: 1.5 }, 'RangeError', 'Expected an integer from 1 to 65536 for bins but received 1.5'],
    [{ confusion: 1 }, 'TypeError', 'Expected true or false for confusion but received 1'],
    [{ ignoreIndex: 0.5 }, 'RangeError', 'for ignoreIndex but received 0.5'],
    [
      { temperature: 0 },
      'RangeError',
      'Expected a finite number greater than 0 for temperature but received 0',
    ],
    [{ bin: 3 }, 'TypeError', 'for the options of evaluate but received "bin" (did you mean bins?)'],
  ])('refuses %j', (options, name, message) => {
    const attempt = () => evaluate(x, [0, 1], options as EvaluateOptions);
    expect(attempt).toThrow(message);
    expect(attempt).toThrow(expect.objectContaining({ name, code: expect.stringMatching(/^ERR_/) }));
    // newEvaluation reads its own at once, those of rows with each batch.
    if (!('temperature' in options)) expect(() => newEvaluation(options as EvaluateOptions)).toThrow(message);
  });

  it.each([
    [[0, 2], 'Expected an integer from 0 to 1 for targets[1] but received 2'],
    [[-1, 0], 'Expected an integer from 0 to 1 for targets[0] but received -1'],
    [Int32Array.of(0, 7), 'Expected an integer from 0 to 1 for targets[1] but received 7'],
    [[0.5, 0], 'Expected an integer from 0 to 1 for targets[0] but received 0.5'],
    [[0], 'Expected one class for each of 2 rows for targets but received [0]'],
    [[[0], [1], [1]], 'Expected one class for each of 2 rows for targets but received an array of length 3'],
    [
      Float32Array.of(0, 1),
      'Expected a Uint32Array, Int32Array, BigInt64Array or array of integers for targets',
    ],
    ['01', 'Expected a Uint32Array, Int32Array, BigInt64Array or array of integers for targets'],
    [undefined, 'Expected a Uint32Array, Int32Array, BigInt64Array or array of integers for targets'],
  ])('refuses targets %j', async (targets, message) => {
    expect(() => evaluate(x, targets as ClassTargets)).toThrow(message);
    expect(() => fitTemperature(x, targets as ClassTargets)).toThrow(message);
    await expect(promises.evaluate(x, targets as ClassTargets)).rejects.toThrow(message);
    await expect(promises.fitTemperature(x, targets as ClassTargets)).rejects.toThrow(message);
  });

  it('options of its own are the evaluation’s alone, and those of a batch come before it', () => {
    const evaluation = newEvaluation({ shape: [-1, 2], k: 1 });
    expect(() => evaluation.add(Float32Array.of(1, 2), [0], { k: 2 } as object)).toThrow('received "k"');
    evaluation.add(Float32Array.of(1, 2, 3), [0], { shape: [1, 3] });
    expect(evaluation.add(Float32Array.of(1, 2), [1]).result()).toMatchObject({ rows: 2, accuracy: 0.5 });
    expect(evaluation.result().confusion?.length).toBe(9);
  });

  it('a batch that is refused leaves no trace', async () => {
    for (const evaluation of [newEvaluation(), promises.newEvaluation()]) {
      await evaluation.add(x, [0, 1]);
      const before = evaluation.result();
      await expect((async () => evaluation.add(x, [0, 5]))()).rejects.toThrow('targets[1]');
      await expect((async () => evaluation.add([1, 2, 3], [4]))()).rejects.toThrow('targets[0]');
      expect(evaluation.result()).toEqual(before);
    }
  });

  it('an aborted batch leaves no trace', async () => {
    const evaluation = promises.newEvaluation({ shape: [-1, 10] });
    const rows = 60_000;
    const controller = new AbortController();
    const added = evaluation.add(new Float32Array(rows * 10), new Int32Array(rows), {
      signal: controller.signal,
    });
    const soon = globalThis.setImmediate ?? setTimeout; // a page has no setImmediate
    soon(() => controller.abort(new Error('enough')));
    await expect(added).rejects.toThrow('enough');
    expect(evaluation.result().rows).toBe(0);
    await expect(
      promises.fitTemperature(x, [0, 1], { signal: AbortSignal.abort(new Error('never')) }),
    ).rejects.toThrow('never');
  });

  it('several batches may be under way', async () => {
    const evaluation = promises.newEvaluation({ shape: [-1, 3] });
    const batch = (r: number) => evaluation.add(Float32Array.of(r, 2, 1, 0, r, 1), [0, 1]);
    await Promise.all([1, 2, 3, 4, 5].map(batch));
    expect(evaluation.result()).toMatchObject({ rows: 10, accuracy: 0.9 });
  });

  it('merges only what counts the same', () => {
    expect(() => newEvaluation({ bins: 10 }).merge(newEvaluation())).toThrow(
      'Expected 10, as here, for bins of other but received 15',
    );
    expect(() => newEvaluation().merge({} as never)).toThrow(
      'Expected an evaluation for other but received an Object',
    );
    const both = newEvaluation().add(x, [0, 1]).merge(promises.newEvaluation());
    expect(both.result().rows).toBe(2);
  });
});
