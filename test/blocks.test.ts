import { expect, test } from 'vitest';
import { newBlocks } from '../lib/cli/blocks.js';

test('a run that ends gives its memory to the next, also for somewhat larger blocks', async () => {
  const first = newBlocks(2, 'first');
  const [one, other] = [await first.take(1000), await first.take(1000)];
  const memory = new Set([one.memory, other.memory]);
  expect(memory.size).toBe(2);
  one.release();
  other.release();
  first.end();
  const next = newBlocks(2, 'next');
  const again = [await next.take(1100), await next.take(900)];
  expect(new Set(again.map(({ memory }) => memory))).toEqual(memory);
  expect(
    await newBlocks(1, 'beside')
      .take(1000)
      .then(({ memory: third }) => memory.has(third)),
  ).toBe(false);
});

test('what is kept for the next run is at most 32 MiB', async () => {
  const large = newBlocks(1, 'large');
  const block = await large.take(40 << 20);
  block.release();
  large.end();
  expect((await newBlocks(1, 'next').take(40 << 20)).memory).not.toBe(block.memory);
});

test('a run that fails keeps its memory to itself', async () => {
  const failed = newBlocks(1, 'failed');
  const block = await failed.take(3 << 20);
  failed.close(new Error('over'));
  block.release();
  expect((await newBlocks(1, 'next').take(3 << 20)).memory).not.toBe(block.memory);
});
