/** The numbers in the confusion matrix of a report can be read, whatever the share that their cell shows. */
import { expect, test } from 'vitest';
import { matrixFigure } from '../lib/cli/evaluation/matrix.js';
import { STYLE } from '../lib/cli/evaluation/style.js';

type Colour = readonly number[];

/** The luminance of WCAG 2. */
function luminance(colour: Colour): number {
  const [r, g, b] = colour.map((c) => (c <= 10.3 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a: Colour, b: Colour): number {
  const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (light + 0.05) / (dark + 0.05);
}

/** The colours of the light scheme, then of the dark one. */
const schemes = [...STYLE.matchAll(/:root \{([^}]+)\}/g)].map(([, rules]) => {
  const colours = [...rules.matchAll(/--([\w-]+): #(\w{6})/g)].map(([, name, hex]) => {
    const colour = [0, 2, 4].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
    return [name, colour] as const;
  });
  return new Map(colours);
});
const inks = { off: 'ink', mid: 'mid', on: 'on' };
const fills = { right: 'blue', wrong: 'red' };

test.each([
  ['light', schemes[0]],
  ['dark', schemes[1]],
])('%s: at least 3.8 to 1', (_, colours) => {
  for (let share = 1; share < 100; share++) {
    const { text } = matrixFigure(Uint32Array.of(share, 100 - share, 0, 1), undefined);
    const cells = [
      ...text.matchAll(
        /<rect class="(right|wrong)"[^>]*fill-opacity="([\d.]+)"\/><text class="(off|mid|on)"/g,
      ),
    ];
    expect(cells).toHaveLength(3);
    for (const [, kind, opacity, ink] of cells) {
      const [ground, fill] = [colours.get('ground')!, colours.get(fills[kind as keyof typeof fills])!];
      const cell = ground.map((c, i) => c + (fill[i] - c) * Number(opacity));
      const seen = contrast(cell, colours.get(inks[ink as keyof typeof inks])!);
      expect(seen, `${kind}, ${share} %, ${ink}`).toBeGreaterThan(3.8);
    }
  }
});
