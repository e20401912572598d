/** Comparisons by the million: vitest's own `expect` takes longer than what is compared, so it is asked only where they differ. */
import { expect } from 'vitest';
import { bits } from '../elements.js';

/** Where it takes long to write, it is written only where it is read. */
type Message = string | (() => string);

const written = (message?: Message) => (typeof message === 'function' ? message() : message);

export function expectSame<T>(received: T, expected: T, message?: Message): void {
  if (!Object.is(received, expected)) expect(received, written(message)).toBe(expected);
}

/** The same for the bits of arrays. */
export function expectSameBits(received: object, expected: object, message?: Message): void {
  if (Buffer.compare(bytesOf(received), bytesOf(expected)) === 0) return;
  expect(bits(received), written(message)).toBe(bits(expected));
}

function bytesOf(array: object): Uint8Array {
  const { buffer, byteOffset, byteLength } = array as Uint8Array;
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** The same for numbers one by one, in arrays of any kind. */
export function expectSameNumbers(
  received: ArrayLike<number>,
  expected: ArrayLike<number>,
  message?: Message,
): void {
  let at = received.length === expected.length ? 0 : -1;
  while (at >= 0 && at < received.length && Object.is(received[at], expected[at])) at++;
  if (at !== received.length) expect(Array.from(received), written(message)).toEqual(Array.from(expected));
}
