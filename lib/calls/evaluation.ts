/** evaluate: the parts of a problem are judged one after another and added up. */
import { rangeError, typeError, words } from '../arguments/errors.js';
import { type Options, readAbortable, readOptions } from '../arguments/options.js';
import { refuseLost } from '../backends/asyncCopies.js';
import type { JudgeProblem } from '../backends/js/judge.js';
import { evaluate as declared, type EvaluationTerms, evaluationTerms } from '../ops/evaluate.js';
import { partsOf } from '../ops/parts.js';
import type { EvaluationResult } from '../types/evaluation.js';
import { type Plan, plan } from './plan.js';
import { Tally } from './tally.js';

/** Options that a batch may have of its own. */
const ownTerms = ['k', 'bins', 'confusion', 'ignoreIndex'] as const;

/** What both kinds of evaluation share: the options, and the tally of the batches so far. */
abstract class Batches {
  protected readonly options: Options;
  private readonly terms: EvaluationTerms;
  /** The operation as a batch may ask for it. */
  private readonly ofBatch = {
    ...declared,
    options: declared.options.filter((name) => !(ownTerms as readonly string[]).includes(name)),
  };
  protected tally: Tally;

  constructor(options: unknown) {
    this.options = readOptions(options, declared);
    this.terms = readTerms(this.options);
    this.tally = new Tally(this.terms);
  }

  /** A batch, whose rows are known to be good. */
  protected planOf(x: unknown, targets: unknown, options: unknown): Plan {
    const own = readOptions(options, this.ofBatch);
    return plan(declared, x, targets, { ...this.options, ...own });
  }

  protected newTally(): Tally {
    return new Tally(this.terms);
  }

  /**
   * Adds the batches of another evaluation with the same options, which stays as it is.
   */
  merge(other: unknown): this {
    if (!(other instanceof Batches)) throw typeError('an evaluation', 'other', other);
    for (const name of ownTerms) {
      const [own, theirs] = [this.terms[name], other.terms[name]];
      if (own !== theirs) throw rangeError(`${own}, as here,`, `${name} of other`, words(String(theirs)));
    }
    this.tally.merge(other.tally);
    return this;
  }

  result(): EvaluationResult {
    return this.tally.result();
  }
}

function readTerms(options: Options): EvaluationTerms {
  return {
    k: evaluationTerms.k(options.k, 'k'),
    bins: evaluationTerms.bins(options.bins, 'bins'),
    ignoreIndex: evaluationTerms.ignoreIndex(options.ignoreIndex, 'ignoreIndex'),
    confusion: evaluationTerms.confusion(options.confusion, 'confusion'),
  };
}

/** An evaluation whose batches are judged before `add` returns. */
export class BatchesAtOnce extends Batches {
  add(x: unknown, targets: unknown, options?: unknown): this {
    const { backend, problem, finish } = opened(this.planOf(x, targets, options));
    refuseLost(problem);
    this.tally.expect(problem.length);
    for (const part of partsOf(problem)) {
      backend.run(part);
      this.tally.add(part, backend);
    }
    finish();
    return this;
  }
}

/** An evaluation whose batches are judged on other threads; one that fails leaves no trace. */
export class BatchesInTurns extends Batches {
  async add(x: unknown, targets: unknown, options?: unknown): Promise<this> {
    const { signal, rest } = readAbortable(options);
    const { backend, problem, finish } = opened(this.planOf(x, targets, rest));
    const tally = this.newTally();
    tally.expect(problem.length);
    for (const part of partsOf(problem)) {
      await backend.runAsync(part, signal);
      tally.add(part, backend);
    }
    finish();
    this.tally.merge(tally);
    return this;
  }
}

function opened(plan: Plan): { backend: Plan['backend']; problem: JudgeProblem; finish: () => void } {
  return { backend: plan.backend, problem: plan.problem as JudgeProblem, finish: () => plan.finish() };
}

export function evaluateAtOnce(x: unknown, targets: unknown, options: unknown): EvaluationResult {
  return new BatchesAtOnce(options).add(x, targets).result();
}

export async function evaluateInTurns(
  x: unknown,
  targets: unknown,
  options: unknown,
): Promise<EvaluationResult> {
  const { signal, rest } = readAbortable(options);
  const evaluation = await new BatchesInTurns(rest).add(x, targets, { signal });
  return evaluation.result();
}
