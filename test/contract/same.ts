/** Comparisons by the million: vitest's own `expect` takes longer than what is compared, so it is asked only where they differ. */
import { expect } from 'vitest';
import { bits } from '../elements.js';

export function expectSame<T>(received: T, expected: T, message?: string): void {
  if (!Object.is(received, expected)) expect(received, message).toBe(expected);
}

/** The same for the bits of arrays. */
export function expectSameBits(received: object, expected: object, message?: string): void {
  if (Buffer.compare(bytesOf(received), bytesOf(expected)) === 0) return;
  expect(bits(received), message).toBe(bits(expected));
}

function bytesOf(array: object): Uint8Array {
  const { buffer, byteOffset, byteLength } = array as Uint8Array;
  return new Uint8Array(buffer, byteOffset, byteLength);
}
