/** evaluate: what every row says of its target, a part of the rows at a time; lib/calls/evaluation.ts adds it up. */
import { readFlag, readInteger } from '../arguments/options.js';
import { readClassTargets, readIgnoreIndex } from '../arguments/targets.js';
import { type JudgeProblem, judge } from '../backends/js/judge.js';
import { op } from '../backends/problem.js';
import { declare } from './operation.js';
import { ofPart } from './parts.js';

const judgeOp = /* @__PURE__ */ op<JudgeProblem>({
  name: 'judge',
  numbers: ['ignoreIndex', 'bins'],
  reads: ['targets'],
  writes: ['out', 'confidences', 'brierScores', 'entropies', 'likeliest', 'targetRanks'],
  solve: judge,
});

/** Most bins: an edge of them is further from the next than any probability is wrong. */
const mostBins = 2 ** 16;

/** Up to so many classes there is a confusion matrix without asking. */
const confusionClasses = 256;

/** What an evaluation is about, besides its rows. */
export interface EvaluationTerms {
  readonly k: number;
  readonly bins: number;
  readonly ignoreIndex: number;
  /** Whether there is a confusion matrix; undefined: up to 256 classes. */
  readonly confusion: boolean | undefined;
}

/** What is taken of an option of this name, or its default. */
export const evaluationTerms = {
  k: (value: unknown, name: string) => (value === undefined ? 5 : readInteger(value, name, 1)),
  bins: (value: unknown, name: string) => (value === undefined ? 15 : readInteger(value, name, 1, mostBins)),
  ignoreIndex: readIgnoreIndex,
  confusion: (value: unknown, name: string) => (value === undefined ? undefined : readFlag(value, name)),
};

export const evaluate = /* @__PURE__ */ declare({
  name: 'evaluate',
  op: judgeOp,
  argument: 'targets',
  memory: [],
  takes(reading) {
    const k = reading.take('k', evaluationTerms.k);
    const bins = reading.take('bins', evaluationTerms.bins);
    const confusion = reading.take('confusion', evaluationTerms.confusion);
    const ignoreIndex = reading.take('ignoreIndex', evaluationTerms.ignoreIndex);
    const targets = reading.take('targets', (value, _, request, backend) =>
      readClassTargets(value, request, ignoreIndex, backend),
    );
    return { k, bins, confusion, ignoreIndex, targets };
  },
  writes: (_, request) => [
    ofPart(request, 'out'),
    ofPart(request, 'confidences'),
    ofPart(request, 'brierScores'),
    ofPart(request, 'entropies'),
    ofPart(request, 'likeliest', 'uint32'),
    ofPart(request, 'targetRanks', 'uint32'),
  ],
  pose(problem, { bins, ignoreIndex, targets }, _, outputs) {
    const [out, confidences, brierScores, entropies, likeliest, targetRanks] = outputs;
    problem.out = out?.memory as Float64Array;
    problem.confidences = confidences?.memory as Float64Array;
    problem.brierScores = brierScores?.memory as Float64Array;
    problem.entropies = entropies?.memory as Float64Array;
    problem.likeliest = likeliest?.memory as Uint32Array;
    problem.targetRanks = targetRanks?.memory as Uint32Array;
    problem.targets = targets;
    problem.ignoreIndex = ignoreIndex;
    problem.bins = bins;
  },
  result: () => undefined,
});

/** Whether there is a confusion matrix of so many classes. */
export function hasConfusion({ confusion }: EvaluationTerms, classes: number): boolean {
  return confusion ?? classes <= confusionClasses;
}
