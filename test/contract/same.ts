/** Comparisons by the million: vitest's own `expect` takes longer than what is compared, so it is asked only where they differ. */
import { expect } from 'vitest';

export function expectSame<T>(received: T, expected: T, message?: string): void {
  if (!Object.is(received, expected)) expect(received, message).toBe(expected);
}
