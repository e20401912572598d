import { Command, CommanderError } from 'commander';
import { version } from '../../package.json';
import { evaluate } from './evaluate.js';
import { EXIT, expectedUsage, Failure, printable } from './failure.js';
import { DTYPES, FORMATS } from './formats.js';
import { info } from './info.js';
import { bins, fromText, index, integer, path, positive, textTo } from './job.js';
import { list } from './queue/listing.js';
import { scoreForWorker } from './queue/scoring-process.js';
import { work } from './queue/worker.js';
import { score } from './score.js';
import { OPERATIONS } from './scoring.js';
import { BrokenPipe, print } from './streams.js';

const EXIT_CODES = `
Exit codes:
  0    done
  1    the input could not be read, the output not written, a row not scored, a library is
       missing, or the self-test failed
  2    the command was wrong: an unknown option, a value out of range
  130  interrupted by Ctrl-C; nothing is left under the output's name
`;

const SCORE_EXAMPLES = `
Examples:
  simd-softmax score logits.npy --labels classes.txt --top-k 3
  simd-softmax score logits.npy --temperature 0.7 -o probabilities.npy
  simd-softmax score night.arrow -o scores.arrow --top-k 3 --errors skip --resume
  simd-softmax score 'in/*.npy' -o out/ --queue redis://10.0.0.1
  python3 model.py | simd-softmax score - -o - | python3 next.py
`;

const EVALUATE_EXAMPLES = `
Examples:
  simd-softmax evaluate logits.npy --truth labels.npy --labels classes.txt
  simd-softmax evaluate scores.parquet --truth column:label --fit-temperature
  simd-softmax evaluate logits.npy --truth labels.npy --report report.html
  simd-softmax evaluate logits.npy --truth labels.npy --json
`;

/** The exit code of one run of the command. */
export async function main(argv: readonly string[]): Promise<number> {
  try {
    return await run(argv);
  } catch (error) {
    if (error instanceof BrokenPipe) return EXIT.ok;
    const { message, exitCode } = tellable(error);
    await print(process.stderr, `simd-softmax: ${message}\n`).catch(() => {});
    return exitCode;
  }
}

async function run(argv: readonly string[]): Promise<number> {
  let exitCode: number = EXIT.ok;
  let help = '';
  const program = new Command('simd-softmax')
    .description('Softmax of files of logits, with SIMD and all cores.')
    .version(version, '-v, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help for a command')
    .addHelpText('after', EXIT_CODES)
    .configureOutput({
      writeOut: (text) => (help += text),
      writeErr: (text) => (help += text),
      outputError() {},
    })
    .exitOverride();

  withInput(
    program
      .command('score')
      .summary('turn a file of logits into probabilities')
      .description(
        'Turn a file of logits into probabilities, however large: print the best, or write all of them.',
      )
      .argument('<file...>', "files of logits, or quoted patterns ('in/*.npy'); - for stdin")
      .option('--op <name>', OPERATIONS.join(', '), fromText('op'), 'softmax'),
  )
    .option('--temperature <t>', 'divides the logits', fromText<number>('temperature'), 1)
    .option('--labels <file>', 'the class names, one per line')
    .option(
      '--truth <file>',
      'the true class of each row: a .npy of integers, FILE#NAME of a .npz or .safetensors, or column:NAME',
    )
    .option('--top-k <n>', 'the best n classes of each row (printed without it: 5)', fromText('topK'))
    .option('-o, --output <file>', 'write the result; a folder for several; - for stdout')
    .option(
      '--output-format <name>',
      'its format (default: by the extension; that of the input for stdout)',
      fromText('outputFormat'),
    )
    .option(
      '--errors <mode>',
      'rows that cannot be scored: fail, skip (left out) or nan (written as NaN)',
      fromText('errors'),
    )
    .option('--resume', 'continue an interrupted run that also had this option')
    .option('--rows <n>', 'how many rows to print, or "all" (default: 10; 0 with -o)', rowCount)
    .option('--json', 'print the report as JSON; NaN and the infinities are strings')
    .option('-q, --quiet', 'print nothing but errors')
    .option(
      '--queue <url>',
      'let the workers of this server score the files: redis://host:port or postgres://user@host/database',
    )
    .option(
      '--part-rows <n>',
      'with --queue, rows of a .npy per job (default: 1 GiB of them)',
      textTo(integer(1), '--part-rows'),
    )
    .addHelpText('after', SCORE_EXAMPLES + EXIT_CODES)
    .action((files, { logits, ...options }) =>
      score(files, { ...options, column: options.column ?? logits }),
    );

  withInput(
    program
      .command('evaluate')
      .summary('measure how often logits are right, and how well their probabilities are calibrated')
      .description(
        'Compare a file of logits, however large, with the true classes: accuracy, log loss, Brier score, calibration error, and a reliability diagram.',
      )
      .argument('<file>', 'a file of logits; - for stdin')
      .option(
        '--truth <file>',
        'the true class of each row: a .npy of integers, FILE#NAME of a .npz or .safetensors, or column:NAME',
      ),
  )
    .option('--temperature <t>', 'divides the logits', fromText<number>('temperature'), 1)
    .option('--fit-temperature', 'find the temperature with the lowest log loss')
    .option('--labels <file>', 'the class names, one per line')
    .option(
      '--k <n>',
      'a row counts for top-k if its true class is among the n likeliest',
      textTo(integer(1), '--k'),
      5,
    )
    .option('--bins <n>', 'how many bins of equal width the diagram has', textTo(bins, '--bins'), 15)
    .option(
      '--ignore-index <n>',
      'rows with this number as their true class are not evaluated',
      textTo(index, '--ignore-index'),
      -100,
    )
    .option(
      '--errors <mode>',
      'rows that cannot be read or come out as NaN: fail, skip (left out) or nan (counted as wrong)',
      fromText('errors'),
    )
    .option('--report <file>', 'write a page of HTML with diagrams and mistakes', textTo(path, '--report'))
    .option('--json', 'print the result as JSON; NaN and the infinities are strings')
    .option('-q, --quiet', 'print nothing but errors')
    .addHelpText('after', EVALUATE_EXAMPLES + EXIT_CODES)
    .action((file, { logits, ...options }) =>
      evaluate(file, { ...options, column: options.column ?? logits }),
    );

  program
    .command('worker')
    .summary('score the files of a queue')
    .description(
      'Score the files of a queue until Ctrl-C. The first Ctrl-C finishes the running jobs and exits; the second gives them back at once.',
    )
    .argument('[url]', 'the server of the queue: redis://host:port or postgres://user@host/database')
    .option('--queue <url>', 'the same as the argument url')
    .option('--root <folder>', 'files are read and written only below this folder', '.')
    .option(
      '--concurrency <n>',
      'jobs at a time, each with all threads',
      textTo(integer(1), '--concurrency'),
      1,
    )
    .option(
      '--rate <n>',
      'most jobs that all workers together start per second',
      textTo(integer(1), '--rate'),
    )
    .option(
      '--stalled <seconds>',
      'a worker that is silent for so long counts as lost',
      textTo<number>(positive, '--stalled'),
      30,
    )
    .option(
      '--memory <MB>',
      'memory limit of the process that scores a job; above it, the job is tried once more, then fails',
      textTo<number>(integer(1), '--memory'),
      2048,
    )
    .option('--metrics <port>', 'serve /metrics and /healthz there: a port of this machine, or host:port')
    .option('-q, --quiet', 'print nothing but errors')
    .action((url, { queue, ...options }) => work({ ...options, queue: oneUrl(url, queue, 'worker') }));

  program
    .command('queue')
    .summary('list the jobs of a queue')
    .description(
      'List the jobs that wait, run or have failed, with reasons. With --retry, the failed ones run again.',
    )
    .argument('[url]', 'the server: redis://host:port or postgres://user@host/database')
    .option('--queue <url>', 'the same as the argument url')
    .option('--retry', 'run the failed jobs again')
    .option('--root <folder>', 'with --retry, the folder below which files are looked at', '.')
    .option('--json', 'print it as JSON')
    .action((url, { queue, ...options }) => list({ ...options, queue: oneUrl(url, queue, 'queue') }));

  // What a worker starts for itself.
  program
    .command('score-for-worker', { hidden: true })
    .argument('<root>')
    .action((root) => scoreForWorker(root));

  program
    .command('info')
    .summary('print the version, the backend and a self-test')
    .description('Print the version and the backend in use, and check it against exact results.')
    .option('--json', 'print it as JSON')
    .action(async (options) => {
      exitCode = (await info(options)) ? EXIT.ok : EXIT.failed;
    });

  // exitOverride is inherited by subcommands made through .command().
  try {
    await program.parseAsync(argv);
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    const asked = ['commander.helpDisplayed', 'commander.version'].includes(error.code);
    if (!asked && error.code !== 'commander.help') throw usageFailure(error);
    // `commander.help` is `help score`, `help scoer`, and no command at all.
    const topic = argv[3];
    if (!asked && topic !== undefined && !program.commands.some((command) => command.name() === topic)) {
      throw expectedUsage('a known command', 'help', topic);
    }
    exitCode = asked || argv.length > 2 ? EXIT.ok : EXIT.usage;
  }
  if (help) await print(exitCode === EXIT.ok ? process.stdout : process.stderr, help);
  return exitCode;
}

/** What the commands that read logits have in common: how the input is meant. */
function withInput(command: Command): Command {
  return command
    .option(
      '--format <name>',
      `${FORMATS.join(', ')} (default: by the name; npy for stdin)`,
      fromText('format'),
    )
    .option('--column <names>', 'the column of the logits, or a column per class, separated by commas')
    .option('--logits <names>', 'the same')
    .option(
      '--keep <names>',
      'the columns of a CSV or Parquet file that are not classes, separated by commas',
      fromText('keep'),
    )
    .option(
      '--header <yes|no>',
      'whether the first line of a CSV names its columns',
      fromText<boolean>('header'),
    )
    .option('--delimiter <text>', 'the character between the cells of a CSV', fromText('delimiter'))
    .option(
      '--axis <n>',
      'the axis of the classes; negative counts from the end',
      fromText<number>('axis'),
      -1,
    )
    .option('--dtype <name>', `what elements of two bytes are: ${DTYPES.join(', ')}`, fromText('dtype'));
}

/** Commander's complaint in our words. */
function usageFailure({ code, message }: CommanderError): Failure {
  const culprit = message.match(/'([^']*)'/)?.[1] ?? '';
  const meant = message.match(/\(Did you mean (.*)\?\)/)?.[1];
  const hint = meant ? ` (did you mean ${meant}?)` : ' (see simd-softmax --help)';
  switch (code) {
    case 'commander.unknownOption':
      return new Failure(`Expected a known option but received ${culprit}${hint}`, EXIT.usage);
    case 'commander.unknownCommand':
      return new Failure(`Expected a known command but received ${culprit}${hint}`, EXIT.usage);
    case 'commander.missingArgument':
      return expectedUsage('a value', `<${culprit}>`, 'nothing');
    case 'commander.missingMandatoryOptionValue':
    case 'commander.optionMissingArgument':
      return expectedUsage('a value', culprit.replace(/ <.*/, ''), 'nothing');
    case 'commander.excessArguments': {
      const [, wanted, received] = message.match(/Expected (\d+ arguments?) but got (\d+)/) ?? [];
      return expectedUsage(wanted, culprit, received);
    }
    default:
      return new Failure(message.replace(/^error: /, ''), EXIT.usage);
  }
}

function tellable(error: unknown): { message: string; exitCode: number } {
  if (error instanceof Failure) return { message: printable(error.message), exitCode: error.exitCode };
  // The library's own errors have a code: a forced backend that is not there, mostly.
  if (error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_')) {
    return { message: printable(error.message), exitCode: EXIT.usage };
  }
  // A mistake of ours. Node would print the line of the bundle that it comes from, which is very long.
  const { stack = String(error) } = error instanceof Error ? error : {};
  return { message: `this should not happen; please report it\n${stack}`, exitCode: EXIT.failed };
}

/** A server may be given by its place, or by an option as `score` has it. */
function oneUrl(url: string | undefined, queue: string | undefined, command: string): string {
  if (url !== undefined && queue !== undefined) throw expectedUsage('one URL', '--queue', 'two');
  const given = url ?? queue;
  if (given === undefined) throw expectedUsage('the URL of a server', command, 'nothing');
  return given;
}

function rowCount(text: string): number {
  if (text === 'all') return Number.POSITIVE_INFINITY;
  if (/^\d+$/.test(text)) return Number(text);
  throw expectedUsage('a number of rows or "all"', '--rows', `'${text}'`);
}
