/** A job's options: what each may be, whether a command line gives it as text or a queue as data. */
import { expected, expectedUsage } from './failure.js';
import { DTYPES, FORMATS } from './formats.js';
import { ERROR_MODES, type ScoreJob } from './score-job.js';
import { OPERATIONS } from './scoring.js';

interface Kind {
  /** How a message calls it. */
  readonly what: string;
  holds(value: unknown): boolean;
  /** What a text on the command line stands for; one that stands for nothing is returned as it is. */
  read?(text: string): unknown;
}

interface Option extends Kind {
  readonly flag: string;
}

function oneOf(names: readonly string[]): Kind {
  return { what: `one of ${names.join(', ')}`, holds: (value) => names.includes(value as string) };
}

export function integer(least = Number.MIN_SAFE_INTEGER): Kind {
  return {
    what: least === 1 ? 'a positive integer' : 'an integer',
    holds: (value) => Number.isSafeInteger(value) && Number(value) >= least,
    read: (text) => (/^[+-]?\d+$/.test(text) ? Number(text) : text),
  };
}

export const positive: Kind = {
  what: 'a finite number greater than 0',
  holds: (value) => Number.isFinite(value) && Number(value) > 0,
  read: (text) => (text.trim() === '' ? text : Number(text)),
};

/** As many as the library takes. */
export const bins: Kind = {
  ...integer(1),
  what: 'an integer from 1 to 65536',
  holds: (value) => integer(1).holds(value) && Number(value) <= 65536,
};

/** A class, or what stands for none: 32 bits. */
export const index: Kind = {
  ...integer(),
  what: 'an integer of 32 bits',
  holds: (value) => Number.isInteger(value) && Number(value) === (Number(value) | 0),
};

const name: Kind = { what: 'a name', holds: (value) => typeof value === 'string' };

const names: Kind = {
  what: 'names',
  holds: (value) => Array.isArray(value) && value.every((entry) => typeof entry === 'string'),
  read: (text) => text.split(','),
};

const yesOrNo: Kind = {
  what: 'yes or no',
  holds: (value) => typeof value === 'boolean',
  read: (text) => (text === 'yes' ? true : text === 'no' ? false : text),
};

const character: Kind = {
  what: 'one character',
  holds: (value) => typeof value === 'string' && [...value].length === 1 && !/["\n\r]/.test(value),
  read: (text) => (text === '\\t' ? '\t' : text),
};

/** Longer ones are refused by every system. */
const MOST_PATH = 4096;

export const path: Kind = {
  what: 'the path of a file',
  holds: (value) =>
    typeof value === 'string' &&
    value.length > 0 &&
    value.length <= MOST_PATH &&
    value !== '-' &&
    !value.includes('\0'),
};

const range: Kind = {
  what: 'a range of rows',
  holds: (value) =>
    Array.isArray(value) &&
    value.length === 2 &&
    value.every((entry) => Number.isSafeInteger(entry) && entry >= 0) &&
    value[0] < value[1],
};

const OPTIONS = {
  format: { flag: '--format', ...oneOf(FORMATS) },
  op: { flag: '--op', ...oneOf(OPERATIONS) },
  column: { flag: '--column', ...name },
  keep: { flag: '--keep', ...names },
  header: { flag: '--header', ...yesOrNo },
  delimiter: { flag: '--delimiter', ...character },
  axis: { flag: '--axis', ...integer() },
  dtype: { flag: '--dtype', ...oneOf(DTYPES) },
  temperature: { flag: '--temperature', ...positive },
  topK: { flag: '--top-k', ...integer(1) },
  outputFormat: { flag: '--output-format', ...oneOf(FORMATS) },
  errors: { flag: '--errors', ...oneOf(ERROR_MODES) },
} satisfies Partial<Record<keyof ScoreJob, Option>>;

/** What a job of a queue may say beside the options: which files, and which of their rows. */
const FILES: Readonly<Record<string, Option>> = {
  input: { flag: 'input', ...path },
  output: { flag: 'output', ...path },
  labels: { flag: '--labels', ...path },
  truth: { flag: '--truth', ...path },
  rows: { flag: 'rows', ...range },
};

/** For the command line: from the text of an option to its value. */
export function fromText<Value = never>(option: keyof typeof OPTIONS): (text: string) => Value {
  const { flag, ...kind } = OPTIONS[option] as Option;
  return textTo(kind, flag);
}

export function textTo<Value = never>({ what, holds, read }: Kind, flag: string): (text: string) => Value {
  return (text) => {
    const value = read ? read(text) : text;
    if (!holds(value)) throw expectedUsage(what, flag, `'${text}'`);
    return value as Value;
  };
}

/** A job for files that it sees at its paths. */
export type FileScoreJob = ScoreJob & { readonly output: string };

/**
 * A job that anybody may have written.
 * @throws Failure that names the option.
 */
export function parseJob(value: unknown): FileScoreJob {
  const known: Readonly<Record<string, Option>> = { ...FILES, ...OPTIONS };
  const job: Record<string, unknown> = {};
  for (const [key, given] of Object.entries(parseRecord(value, 'a job'))) {
    if (!Object.hasOwn(known, key)) throw expected('an option that a job can have', 'a job', `'${key}'`);
    const { flag, what, holds } = known[key];
    if (!holds(given)) throw expected(what, flag, shown(given));
    job[key] = given;
  }
  for (const key of ['input', 'output']) if (!(key in job)) throw expected(path.what, key, 'nothing');
  refuseContradictions(job);
  return job as unknown as FileScoreJob;
}

export function parseRecord(value: unknown, name: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw expected('an object', name, shown(value));
  }
  return value as Record<string, unknown>;
}

type Together = Pick<ScoreJob, 'op' | 'topK' | 'labels' | 'truth'>;

/** Options that cannot go together. */
export function refuseContradictions({ op, topK, labels, truth }: Together): void {
  if (op !== 'logsumexp') return;
  const useless = Object.entries({ '--top-k': topK, '--labels': labels, '--truth': truth });
  const given = useless.find(([, value]) => value !== undefined);
  if (given) throw expectedUsage('an operation with one score per class', given[0], `--op ${op}`);
}

const SHOWN = 80;

function shown(value: unknown): string {
  const text = textOf(value);
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
}

function textOf(value: unknown): string {
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return 'something nested too deep';
  }
}
