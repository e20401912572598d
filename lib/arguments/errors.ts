/**
 * Every error a caller can meet is worded here: `Expected <what> for <name> but received <value>`. A wrong kind
 * is a `TypeError`, a wrong value a `RangeError`, and both carry a `code` that stays the same between releases.
 */

/** The `code` of every error that simd-softmax throws. */
export type ErrorCode =
  /** An argument or option of the wrong kind. */
  | 'ERR_INVALID_ARG_TYPE'
  /** An option that does not exist (a misspelling, mostly). */
  | 'ERR_UNKNOWN_OPTION'
  /** A typed array whose memory was transferred away or shrunk from under it. */
  | 'ERR_DETACHED'
  /** A value of the right kind that is not allowed. */
  | 'ERR_OUT_OF_RANGE'
  /** Lengths or dimensions that do not fit together. */
  | 'ERR_SHAPE_MISMATCH'
  /** An output that shares some of the memory of an input, or of another output. */
  | 'ERR_OVERLAP'
  /** Options that exclude each other. */
  | 'ERR_CONFLICTING_OPTIONS'
  /** A backend that was asked for by name and is not there. */
  | 'ERR_BACKEND_UNAVAILABLE'
  /** A prepared call that is still running. */
  | 'ERR_BUSY'
  /** A prepared call that was disposed. */
  | 'ERR_DISPOSED';

/** What simd-softmax throws: a `TypeError` or `RangeError` with a stable `code`. */
export type SimdSoftmaxError = (TypeError | RangeError) & {
  /** What went wrong, in a word that stays the same between releases. */
  readonly code: ErrorCode;
};

/** The value is of the wrong kind. */
export function typeError(
  expected: string,
  name: string,
  received: unknown,
  code: ErrorCode = 'ERR_INVALID_ARG_TYPE',
): SimdSoftmaxError {
  return Object.assign(new TypeError(message(expected, name, describe(received))), { code });
}

/** The value is of the right kind, and wrong. */
export function rangeError(
  expected: string,
  name: string,
  received: unknown,
  code: ErrorCode = 'ERR_OUT_OF_RANGE',
): SimdSoftmaxError {
  return Object.assign(new RangeError(message(expected, name, describe(received))), { code });
}

/** Lengths or dimensions do not fit together. */
export function shapeError(expected: string, name: string, received: unknown): SimdSoftmaxError {
  return rangeError(expected, name, received, 'ERR_SHAPE_MISMATCH');
}

/** Wraps words that `describe` should print as they are. */
export function words(text: string): Words {
  return { text, [asIs]: true };
}

const asIs = Symbol('as is');
interface Words {
  readonly text: string;
  readonly [asIs]: true;
}

/** As in elements.ts: an own property of that name may say anything. */
const lengthOf = Function.prototype.call.bind(
  Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), 'length')?.get as () => number,
) as (view: ArrayBufferView) => number;

function message(expected: string, name: string, received: string): string {
  return `Expected ${expected} for ${name} but received ${received}`;
}

/** A few words on any value at all; never throws and never prints much. */
function describe(value: unknown): string {
  try {
    switch (typeof value) {
      case 'string':
        return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
      case 'bigint':
        return `${value}n`;
      case 'number':
        return Object.is(value, -0) ? '-0' : String(value);
      case 'function':
        return `function ${value.name}`.trimEnd();
      case 'object':
        return value === null ? 'null' : describeObject(value);
      default:
        return String(value);
    }
  } catch {
    return 'an object';
  }
}

function describeObject(value: object): string {
  if (asIs in value) return (value as Words).text;
  if (Array.isArray(value)) {
    const short = value.length <= 8 && value.every((entry) => typeof entry !== 'object');
    return short ? `[${value.map(describe).join(', ')}]` : `an array of length ${value.length}`;
  }
  const name = value.constructor?.name || 'object';
  const thing = `${/^[aeio]/i.test(name) ? 'an' : 'a'} ${name}`;
  return ArrayBuffer.isView(value) && !(value instanceof DataView)
    ? `${thing} of length ${lengthOf(value)}`
    : thing;
}
