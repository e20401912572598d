/** The command `evaluate`. */
import { type Evaluated, type EvaluateFileOptions, evaluateFile } from './evaluation/evaluate-file.js';
import { evaluationJson } from './evaluation/json.js';
import { evaluationPage } from './evaluation/page.js';
import { evaluationText } from './evaluation/text.js';
import { expectedUsage, printable } from './failure.js';
import { untilInterrupted } from './interruption.js';
import { openOutput } from './output.js';
import { newProgressDisplay } from './progress.js';
import { refuseSame } from './score-file.js';
import { lookOf, print } from './streams.js';

export interface EvaluateOptions
  extends Omit<
    EvaluateFileOptions,
    'input' | 'truth' | 'signal' | 'onProgress' | 'onNotice' | 'onPass' | 'details'
  > {
  readonly truth?: string;
  /** The path of a page of HTML. */
  readonly report?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

export async function evaluate(input: string, options: EvaluateOptions): Promise<void> {
  const { truth, report, json, quiet, ...job } = options;
  if (truth === undefined) throw expectedUsage('the path of a .npy or column:NAME', '--truth', 'nothing');
  refuseSame({ input, output: report, labels: job.labels, truth }, '--report');
  const notices: string[] = [];
  let display = newProgressDisplay(process.stderr, !quiet);
  const nextDisplay = () => {
    display.end();
    display = newProgressDisplay(process.stderr, !quiet);
  };

  async function run(signal: AbortSignal): Promise<Evaluated> {
    // Opened before the work starts, so that a wrong place is told at once.
    const page = report === undefined ? undefined : await openOutput(report);
    try {
      const evaluated = await evaluateFile({
        ...{ ...job, input, truth: truth as string, signal, details: page !== undefined },
        onPass: nextDisplay,
        onProgress: (progress) => display.update(progress),
        onNotice: (text) => notices.push(text),
      });
      await page?.write(Buffer.from(evaluationPage(evaluated)));
      await page?.commit();
      return evaluated;
    } catch (error) {
      await page?.discard();
      throw error;
    } finally {
      display.end();
    }
  }

  const evaluated = await untilInterrupted(run);
  if (quiet) return;
  for (const notice of notices) await print(process.stderr, `${printable(notice)}\n`);
  const text = json ? evaluationJson(evaluated) : evaluationText(evaluated, report, lookOf(process.stdout));
  await print(process.stdout, text);
}
