/** What people write first, over plain arrays. */
import type { Contender } from './contender.js';
import { rowByRow } from './rows.js';

function softmax(row: number[]): number[] {
  const max = row.reduce((a, b) => Math.max(a, b));
  const exps = row.map((x) => Math.exp(x - max));
  const sum = exps.reduce((a, b) => a + b);
  return exps.map((e) => e / sum);
}

export async function open(): Promise<Contender> {
  return {
    version: `V8 ${process.versions.v8}`,
    prepare: (of, logits) => rowByRow(of, logits, (row) => Array.from(row), softmax, 2 ** 23),
  };
}
