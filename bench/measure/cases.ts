/** Everything that is measured. DESIGN.md's grid of shapes, what surrounds it, and the sweeps behind the plots. */
import { availableParallelism } from 'node:os';
import type { Case, Group } from './case.js';

type Sketch = Partial<Case> & Pick<Case, 'shape'>;

function cases(group: Group, sketches: readonly Sketch[]): Case[] {
  return sketches.map((sketch) => {
    const full = {
      op: 'softmax' as const,
      axis: sketch.shape.length - 1,
      dtype: 'float32' as const,
      range: 10,
      threads: 1,
      k: 0,
      gradient: false,
      ...sketch,
    };
    return { id: idOf(group, full), group, ...full };
  });
}

function idOf(
  group: Group,
  { op, shape, axis, dtype, range, threads, k, gradient }: Omit<Case, 'id' | 'group'>,
): string {
  const parts = [`${group}: ${op} ${shape.join('×')}`];
  if (axis !== shape.length - 1) parts.push(`axis ${axis}`);
  if (dtype !== 'float32') parts.push(dtype);
  if (k > 0) parts.push(`k=${k}`);
  if (gradient) parts.push('gradient');
  if (range !== 10) parts.push(`±${range}`);
  if (group === 'threads') parts.push(`${threads} ${threads === 1 ? 'thread' : 'threads'}`);
  return parts.join(', ');
}

const CALLS = [1, 2, 3, 4, 6, 8, 10, 16, 24, 32, 64, 100, 128, 256, 512, 1000, 2048, 4096, 10_000];
const CLASSES = [
  1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 17, 20, 24, 32, 33, 48, 64, 100, 128, 192, 256, 300, 512, 1000, 4096,
  16_384, 65_536, 262_144, 1_000_000,
];
const RANGES = [0.1, 0.3, 1, 3, 10, 20, 30, 50, 70, 87, 100, 200, 500, 1000];

/** Powers of 2 up to what the machine has, and that. */
export function threadCounts(most = availableParallelism()): number[] {
  const counts = [];
  for (let threads = 1; threads < most; threads *= 2) counts.push(threads);
  return [...counts, most];
}

/** About a million elements of the sweep's class count: enough to leave the caches behind the timer's overhead. */
function batchOf(classes: number): readonly number[] {
  return [Math.max(1, Math.round(2 ** 20 / classes)), classes];
}

export function fullRun(): Case[] {
  return [
    ...cases('shapes', [
      { shape: [1024, 4] },
      { shape: [1_000_000, 4] },
      { shape: [100_000, 10] },
      { shape: [32_768, 32] },
      { shape: [1024, 128] },
      { shape: [4096, 1000] },
      { shape: [1, 128_256] },
      { shape: [1, 33_554_432] },
      { shape: [4096, 1000], dtype: 'float64' },
    ]),
    // Each followed by the same amount of data along the last axis.
    ...cases('axes', [
      { shape: [64, 21, 64, 64], axis: 1 },
      { shape: [262_144, 21] },
      { shape: [1000, 1024], axis: 0 },
      { shape: [1024, 1000] },
    ]),
    ...cases('family', [
      ...[5, 50, 512, 1000].map((k) => ({ op: 'topK' as const, shape: [32, 128_256], k })),
      { op: 'sample', shape: [32, 128_256] },
      { op: 'crossEntropy', shape: [32, 128_256] },
      { op: 'crossEntropy', shape: [32, 128_256], gradient: true },
    ]),
    ...cases(
      'calls',
      CALLS.map((classes) => ({ shape: [1, classes] })),
    ),
    ...cases(
      'classes',
      CLASSES.map((classes) => ({ shape: batchOf(classes) })),
    ),
    ...cases(
      'ranges',
      RANGES.map((range) => ({ shape: [256, 1000], range })),
    ),
    ...cases(
      'threads',
      threadCounts().flatMap((threads) => [
        { shape: [100_000, 10], threads },
        { shape: [4096, 1000], threads },
        { shape: [32, 128_256], threads },
      ]),
    ),
  ];
}

const QUICK = new Set([
  'shapes: softmax 1024×4',
  'shapes: softmax 32768×32',
  'shapes: softmax 1024×128',
  'shapes: softmax 1×128256',
  'axes: softmax 1000×1024, axis 0',
  'calls: softmax 1×4',
  'calls: softmax 1×1000',
]);

/** A sample of every part, small enough for under a minute. */
export function quickRun(): Case[] {
  return [
    ...fullRun().filter(({ id }) => QUICK.has(id)),
    ...cases('shapes', [{ shape: [256, 1000], dtype: 'float64' }]),
    ...cases('family', [{ op: 'topK', shape: [4, 128_256], k: 5 }]),
  ];
}
