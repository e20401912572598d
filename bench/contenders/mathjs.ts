/** The composition that mathjs invites: whole-array functions, one after the other. */
import {
  create,
  divideDependencies,
  expDependencies,
  mapDependencies,
  maxDependencies,
  subtractDependencies,
  sumDependencies,
} from 'mathjs';
import type { Contender } from './contender.js';
import { rowByRow } from './rows.js';
import { versionOf } from './version.js';

const math = create({
  ...divideDependencies,
  ...expDependencies,
  ...mapDependencies,
  ...maxDependencies,
  ...subtractDependencies,
  ...sumDependencies,
});

function softmax(row: number[]): number[] {
  const exps = math.map(math.subtract(row, math.max(row)) as number[], math.exp as (x: number) => number);
  return math.divide(exps, math.sum(exps)) as unknown as number[];
}

export async function open(): Promise<Contender> {
  return {
    version: versionOf('mathjs'),
    prepare: (of, logits) => rowByRow(of, logits, (row) => Array.from(row), softmax, 2 ** 20),
  };
}
