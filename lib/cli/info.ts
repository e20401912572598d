import { availableParallelism, cpus } from 'node:os';
import { version } from '../../package.json';
import { type SelfTest, selfTest } from './selftest.js';
import { lookOf, print } from './streams.js';
import { styler } from './table.js';

/** Prints what runs here, and whether it computes what it should. */
export async function info({ json }: { readonly json?: boolean }): Promise<boolean> {
  const { backend, softmax, logSoftmax, logSumExp } = await import('../index.js');
  const checked = selfTest({ softmax, logSoftmax, logSumExp });
  const passed = checked.failures.length === 0;
  const facts = {
    version,
    backend: backend.kind,
    isa: backend.isa,
    supported: backend.supported,
    threads: backend.threads,
    loadError: backend.loadError ? String(backend.loadError.message) : null,
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
  };
  if (json) {
    await print(
      process.stdout,
      `${JSON.stringify({ ...facts, selfTest: { passed, ...checked } }, null, 2)}\n`,
    );
    return passed;
  }

  const style = styler(lookOf(process.stdout).colour);
  const verdict = passed ? style('green', 'passed') : style('red', 'FAILED');
  const lines: [string, string][] = [
    ['version', facts.version],
    ['backend', facts.backend],
    ['isa', facts.isa],
    ['supported', facts.supported.join(', ')],
    ['threads', String(facts.threads)],
    ['load error', facts.loadError ?? 'none'],
    ['node', `${facts.node} on ${facts.platform}`],
    ['cpu', `${facts.cpu}, ${facts.cores} available`],
    ['self-test', `${verdict}: ${summary(checked)}`],
    ...checked.failures.map((failure): [string, string] => ['', failure]),
  ];
  await print(
    process.stdout,
    lines.map(([name, text]) => `${style('dim', name.padEnd(12))}${text}\n`).join(''),
  );
  return passed;
}

function summary({ cases, failures, worstUlp: { float32, float64 } }: SelfTest): string {
  const worst = `largest error ${float32.toFixed(2)} ULP in float32, ${float64.toFixed(2)} in float64`;
  return `${cases - failures.length} of ${cases} exact cases, ${worst}`;
}
