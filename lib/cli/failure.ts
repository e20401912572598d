/** Ctrl-C and its kin end the process by their signal, which a shell shows as 128 + its number (130). */
export const EXIT = {
  ok: 0,
  /** The input, the disk or the self-test. */
  failed: 1,
  /** The command itself: an unknown option, a value out of range. */
  usage: 2,
} as const;

/** Something that the user can mend: told in one line, without a stack. */
export class Failure extends Error {
  constructor(
    message: string,
    readonly exitCode: number = EXIT.failed,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

export function expected(what: string, name: string, received: unknown): Failure {
  return new Failure(`Expected ${what} for ${name} but received ${received}`);
}

/** The same, where the command line is at fault rather than a file. */
export function expectedUsage(what: string, name: string, received: unknown): Failure {
  return new Failure(`Expected ${what} for ${name} but received ${received}`, EXIT.usage);
}

/** A system error in the same words, and as the cause; anything else is returned as it is. */
export function systemFailure(error: unknown, what: string, name: string): unknown {
  if (!(error instanceof Error) || !('syscall' in error) || !('code' in error)) return error;
  const reason = error.message.replace(/^[A-Z0-9]+: /, '').replace(/, \w+( '.*')?( -> '.*')?$/s, '');
  const message = `Expected ${what} for ${name} but received ${error.code} (${reason})`;
  return new Failure(message, EXIT.failed, { cause: error });
}

/** What a task returns; a system error of it is thrown in the same words. */
export function orSystemFailure<Result>(task: () => Result, what: string, name: string): Result {
  try {
    return task();
  } catch (error) {
    throw systemFailure(error, what, name);
  }
}

const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/**
 * Characters that command a terminal, end a line or turn its direction, as JSON writes them. Files, columns and classes
 * may be called anything.
 */
export function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu,
    (c) => SHORT[c] ?? `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
