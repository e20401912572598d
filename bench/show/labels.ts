/** Labels at the ends of lines, moved apart so that none covers another. */
import type { Point } from './series.js';

/** The plotted area, in pixels, and the values at its bottom and top. */
export interface Frame {
  readonly top: number;
  readonly bottom: number;
  readonly domain: readonly [number, number];
  readonly scale: 'log' | 'linear';
}

export interface EndLabel extends Point {
  /** Where the label is, on the scale of y. */
  readonly at: number;
}

/** Pixels from one label to the next. */
const GAP = 14;

export function endLabels(ends: readonly Point[], { top, bottom, domain, scale }: Frame): EndLabel[] {
  const [to, from] = scale === 'log' ? [Math.log, Math.exp] : [Number, Number];
  const [low, high] = domain.map(to);
  const pixelOf = (y: number) => bottom - ((to(y) - low) / (high - low)) * (bottom - top);
  const valueAt = (pixel: number) => from(low + ((bottom - pixel) / (bottom - top)) * (high - low));
  const sorted = [...ends].sort((a, b) => b.y - a.y);
  const pixels = apart(
    sorted.map(({ y }) => pixelOf(y)),
    GAP,
    bottom,
  );
  return sorted.map((end, n) => ({ ...end, at: valueAt(pixels[n]) }));
}

/** Ascending positions, at least `gap` apart and as near to the wished ones as clusters allow. */
function apart(wished: readonly number[], gap: number, most: number): number[] {
  const clusters: { start: number; wishes: number[] }[] = [];
  for (const wish of wished) {
    clusters.push({ start: wish, wishes: [wish] });
    for (;;) {
      const [before, latest] = clusters.slice(-2);
      if (latest === undefined || before.start + before.wishes.length * gap <= latest.start) break;
      const wishes = [...before.wishes, ...latest.wishes];
      const start = wishes.reduce((sum, one, n) => sum + one - n * gap, 0) / wishes.length;
      clusters.splice(-2, 2, { start: Math.min(start, most - (wishes.length - 1) * gap), wishes });
    }
  }
  return clusters.flatMap(({ start, wishes }) => wishes.map((_, n) => start + n * gap));
}
