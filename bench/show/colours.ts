/** One look per contender, in every chart, on light and on dark ground. */

export interface Look {
  readonly light: string;
  readonly dark: string;
  readonly width: number;
  readonly dash?: string;
}

/** Ours are warm, the peers cool, loops in plain JavaScript grey. Every light tone is used once: it is looked up. */
const LOOKS: { readonly [contender: string]: Look } = {
  'simd-softmax': { light: '#d9400b', dark: '#ff7a45', width: 3 },
  'simd-softmax, prepared': { light: '#d9400c', dark: '#ff7a46', width: 2, dash: '2 3' },
  'simd-softmax, js': { light: '#c77700', dark: '#f0b341', width: 2, dash: '6 3' },
  'onnxruntime-node': { light: '#1b62c4', dark: '#6cabff', width: 1.75 },
  'onnxruntime-web': { light: '#1b62c5', dark: '#6cabfe', width: 1.5, dash: '5 3' },
  'tfjs wasm': { light: '#7a3fc0', dark: '#bd93f9', width: 1.75 },
  'tfjs cpu': { light: '#7a3fc1', dark: '#bd93f8', width: 1.5, dash: '5 3' },
  'transformers.js': { light: '#b0246e', dark: '#f27cb4', width: 1.75 },
  scipy: { light: '#1f7a3d', dark: '#5fcf80', width: 1.75 },
  numpy: { light: '#1f7a3e', dark: '#5fcf81', width: 1.5, dash: '5 3' },
  torch: { light: '#0b7285', dark: '#4fd1e0', width: 1.75 },
  oneDNN: { light: '#0b7286', dark: '#4fd1e1', width: 1.5, dash: '5 3' },
  'plain loop': { light: '#4d5761', dark: '#c3ccd5', width: 1.75 },
  'map/reduce': { light: '#4d5762', dark: '#c3ccd6', width: 1.5, dash: '5 3' },
  mathjs: { light: '#8a6d4b', dark: '#cbb08c', width: 1.5, dash: '2 2' },
  memcpy: { light: '#8b949e', dark: '#7d8690', width: 1.25, dash: '3 3' },
};

const UNKNOWN: Look = { light: '#6e7781', dark: '#9aa4ae', width: 1.5 };

export function lookOf(contender: string): Look {
  return LOOKS[contender] ?? UNKNOWN;
}

export const FONT =
  "system-ui, -apple-system, 'Segoe UI', 'Noto Sans', 'Liberation Sans', 'DejaVu Sans', sans-serif";

const INK = { light: '#1f2328', dark: '#e6edf3' };

export const SCHEMES = ['light', 'dark'] as const;
export type Scheme = (typeof SCHEMES)[number];

/**
 * The style sheet that a chart carries. Its attributes are the light tones; this turns them for the dark. A file is
 * for one scheme, since pages choose their scheme without telling the pictures in them; `'auto'` asks the browser.
 */
export function chartStyle(scheme: Scheme | 'auto'): string {
  const turned = [...Object.values(LOOKS), UNKNOWN].map(
    ({ light, dark }) =>
      `.chart [stroke="${light}"] { stroke: ${dark}; } .chart [fill="${light}"] { fill: ${dark}; }`,
  );
  const inDark = [`.chart { color: ${INK.dark}; }`, ...turned].join('\n');
  const inLight = `.chart { color: ${INK.light}; }`;
  if (scheme !== 'auto') return scheme === 'dark' ? inDark : inLight;
  return `${inLight}\n@media (prefers-color-scheme: dark) {\n${inDark}\n}`;
}
