/** Which jobs of a worker are scored, which wait beside them, and which are given back. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { NoLane, newLanes } from '../../lib/cli/queue/lanes.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Lanes, what they hold, and tasks that end when the test says so. */
function setUp(count: number) {
  let held = count;
  const lanes = newLanes(count, (jobs) => {
    held = jobs;
  });
  const running = new Map<string, () => void>();
  const outcomes: Record<string, string> = {};
  const add = (name: string, suspect = false) => {
    const task = () => new Promise<void>((resolve) => running.set(name, resolve));
    lanes.run(suspect, task).then(
      () => {
        outcomes[name] = 'done';
      },
      (error) => {
        outcomes[name] = error instanceof NoLane ? 'given back' : String(error);
      },
    );
  };
  const end = async (name: string) => {
    running.get(name)?.();
    running.delete(name);
    await vi.advanceTimersByTimeAsync(0);
  };
  return { lanes, add, end, outcomes, running: () => [...running.keys()], held: () => held };
}

test('after a short job another waits beside each lane, and begins at once', async () => {
  const { add, end, running, held, outcomes } = setUp(2);
  add('a');
  add('b');
  expect(held()).toBe(2);
  await end('a');
  expect(held()).toBe(4);
  add('c');
  add('d');
  add('e');
  expect(running()).toEqual(['b', 'c']);
  await end('b');
  expect(running()).toEqual(['c', 'd']);
  await end('c');
  expect(running()).toEqual(['d', 'e']);
  expect(outcomes).toEqual({ a: 'done', b: 'done', c: 'done' });
});

test('a job waits no longer than a short one takes, and no other comes until there is one', async () => {
  const { add, end, held, outcomes } = setUp(1);
  add('a');
  await end('a');
  add('long');
  add('b');
  await vi.advanceTimersByTimeAsync(249);
  expect(outcomes.b).toBe(undefined);
  await vi.advanceTimersByTimeAsync(1);
  expect(outcomes.b).toBe('given back');
  expect(held()).toBe(1);
  await end('long');
  expect(held()).toBe(1);
  add('b');
  await end('b');
  expect(held()).toBe(2);
});

test('a job that lost its worker neither waits beside another nor has one beside it', async () => {
  const { add, end, running, held, outcomes } = setUp(1);
  add('a');
  await end('a');
  add('b');
  add('suspect', true);
  await vi.advanceTimersByTimeAsync(0);
  expect(outcomes.suspect).toBe('given back');
  expect(held()).toBe(1);
  await end('b');
  expect(held()).toBe(2);
  add('suspect', true);
  expect(held()).toBe(1);
  // What was fetched before that.
  add('c');
  await vi.advanceTimersByTimeAsync(0);
  expect(outcomes.c).toBe('given back');
  expect(running()).toEqual(['suspect']);
  await end('suspect');
  expect(held()).toBe(2);
});

test('what waits is given back when the worker is to end; what runs goes on', async () => {
  const { lanes, add, end, held, outcomes } = setUp(1);
  add('a');
  await end('a');
  add('b');
  add('c');
  lanes.close();
  await vi.advanceTimersByTimeAsync(0);
  expect(outcomes).toEqual({ a: 'done', c: 'given back' });
  await end('b');
  expect(outcomes.b).toBe('done');
  expect(held()).toBe(1);
});

test('a task that fails frees its lane', async () => {
  const lanes = newLanes(1, () => {});
  await expect(lanes.run(false, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  await expect(lanes.run(false, async () => 7)).resolves.toBe(7);
});
