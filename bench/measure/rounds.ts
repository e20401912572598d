/** Runs cases: every answer is judged first, then contenders take turns, round after round. */
import { rmSync, writeFileSync } from 'node:fs';
import { median, medianAbsoluteDeviation } from 'simple-statistics';
import type { Case, Group } from './case.js';
import { answerIn, ContenderProcess } from './contender-process.js';
import type { ContenderSpec } from './contenders.js';
import { Judge } from './judge.js';
import { randomLogits } from './logits.js';
import type { Accuracy, CaseResults, Result, Time } from './results.js';

export interface Effort {
  readonly quick: boolean;
  readonly rounds: number;
  /** Of one contender in one round. */
  readonly roundMs: number;
  readonly warmMs: number;
  /** What one contender may take for one case, all rounds together, before it is left at the rounds it has. */
  readonly patienceMs: number;
}

export const FULL: Effort = { quick: false, rounds: 18, roundMs: 12, warmMs: 170, patienceMs: 1300 };
export const QUICK: Effort = { quick: true, rounds: 3, roundMs: 15, warmMs: 60, patienceMs: 300 };

type Entrant = { readonly process: ContenderProcess; readonly accuracy: Accuracy; readonly rounds: number[] };

/** Contenders, each in a process of its own, for some groups of cases. */
export class Lineup {
  private readonly processes: readonly ContenderProcess[];
  readonly versions = new Map<string, string>();

  constructor(
    specs: readonly ContenderSpec[],
    groups: readonly Group[],
    private readonly effort: Effort,
    built: string,
    private readonly folder: string,
  ) {
    this.processes = specs
      .filter((spec) => groups.some((group) => takesPart(spec, group)))
      .map((spec) => new ContenderProcess(spec, built));
  }

  async run(of: Case): Promise<CaseResults> {
    const results = new Map<string, Result>();
    const processes = this.processes.filter(({ spec }) => takesPart(spec, of.group));
    const entrants = await this.enter(of, processes, results);
    if (of.group !== 'ranges') await this.race(entrants, results);
    for (const { process, accuracy, rounds } of entrants) {
      const contender = process.spec.name;
      if (results.has(contender)) continue;
      const time = rounds.length > 0 ? { time: timeOf(rounds) } : {};
      results.set(contender, { contender, status: 'measured', ...time, accuracy });
    }
    return { case: of, results: processes.map(({ spec }) => results.get(spec.name)!) };
  }

  close(): void {
    for (const process of this.processes) process.close();
  }

  /** Lets every contender answer, one after the other, and judges what it found. */
  private async enter(
    of: Case,
    processes: readonly ContenderProcess[],
    results: Map<string, Result>,
  ): Promise<Entrant[]> {
    const [input, output] = [`${this.folder}/input`, `${this.folder}/output`];
    const logits = randomLogits(of);
    writeFileSync(input, new Uint8Array(logits.buffer));
    const judge = new Judge(of, logits, this.effort.quick);
    const entrants: Entrant[] = [];
    for (const process of processes) {
      const contender = process.spec.name;
      const fail = (reason: string) => results.set(contender, { contender, status: 'failed', reason });
      try {
        this.versions.set(contender, await process.version);
        const reply = await process.ask({ do: 'prepare', case: of, input, output });
        if ('cannot' in reply) results.set(contender, { contender, status: 'cannot', reason: reply.cannot });
        else if (!('answer' in reply)) fail('failed' in reply ? reply.failed : 'no answer');
        else if (process.spec.kind === 'floor')
          entrants.push({ process, accuracy: { maxUlp: null, meanUlp: null }, rounds: [] });
        else {
          const verdict = judge.verdict(answerIn(reply.answer, output));
          if ('wrong' in verdict) fail(`wrong answer: ${verdict.wrong}`);
          else entrants.push({ process, accuracy: verdict.accuracy, rounds: [] });
        }
      } catch (error) {
        fail(String(error));
      }
    }
    rmSync(output, { force: true });
    return entrants;
  }

  private async race(entrants: readonly Entrant[], results: Map<string, Result>): Promise<void> {
    const { rounds, roundMs, warmMs, patienceMs } = this.effort;
    const spent = new Map<Entrant, number>();
    for (let round = 0; round < rounds; round++) {
      for (let turn = 0; turn < entrants.length; turn++) {
        // Forwards and backwards by turns, and each round starts with another: nobody always follows the same one.
        const entrant =
          entrants[(turn * (1 + (round % 2) * (entrants.length - 2)) + round) % entrants.length];
        const contender = entrant.process.spec.name;
        if (results.has(contender) || (spent.get(entrant) ?? 0) > patienceMs) continue;
        try {
          if (round === 0) await entrant.process.ask({ do: 'warm', warmMs, patienceMs });
          const start = performance.now();
          entrant.rounds.push(await entrant.process.measure(roundMs));
          spent.set(entrant, (spent.get(entrant) ?? 0) + performance.now() - start);
        } catch (error) {
          results.set(contender, { contender, status: 'failed', reason: String(error) });
        }
      }
    }
  }
}

function takesPart({ groups }: ContenderSpec, group: Group): boolean {
  return groups === undefined || groups.includes(group);
}

function timeOf(rounds: readonly number[]): Time {
  return { median: median([...rounds]), mad: medianAbsoluteDeviation([...rounds]), rounds };
}
