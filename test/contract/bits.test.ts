/**
 * The record of bits: a hash over shapes for every operation, type, kind of rows and set of options, by every route. The
 * ISAs that fuse share one record, `portable` and `wasm` another, and `js` has its own. `vitest run -u` accepts new bits.
 */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { JudgeProblem } from '../../lib/backends/js/judge.js';
import type { SlopeProblem } from '../../lib/backends/js/slope.js';
import { plan } from '../../lib/calls/plan.js';
import { operations as declared, parted } from '../../lib/ops/all.js';
import { partsOf } from '../../lib/ops/parts.js';
import { bits, type Elements, elements, elementTypes } from '../elements.js';
import { type Call, type Options, operations, routes } from './routes.js';
import { expectSame } from './same.js';
import { backendName } from './ways.js';

/** Rows and classes; three entries have the classes along the middle axis. */
const shapes: readonly (readonly number[])[] = [
  [1, 1],
  [1, 4],
  [3, 2],
  [17, 4],
  [40, 10],
  [21, 16],
  [19, 33],
  [7, 67],
  [5, 130],
  [61, 70],
  [3, 1000],
  [3, 5, 7],
  [2, 33, 40],
];

/** From integers alone, so that no library of mathematics has a say. */
function logits(count: number, salt: number): Float64Array {
  const values = new Float64Array(count);
  let state = salt;
  for (let i = 0; i < count; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    const steps = state >> 12;
    values[i] = i % 53 === 7 ? -Infinity : steps / (i % 11 === 3 ? 512 : 65536);
  }
  return values;
}

const kinds: { readonly [kind: string]: (shape: readonly number[]) => Omit<Call, 'x' | 'own'> } = {
  whole: (shape) => rectangular(shape, {}),
  warm: (shape) => rectangular(shape, { temperature: 1.7 }),
  padded: (shape) => {
    const { count, classes } = sizeOf(shape);
    return rectangular(shape, {
      lengths: Int32Array.from({ length: count }, (_, row) => 1 + ((row * 7) % classes)),
    });
  },
  masked: (shape) => {
    const size = shape.reduce((a, b) => a * b);
    const inner = shape[2] ?? 1;
    return rectangular(shape, {
      where: Uint8Array.from({ length: size }, (_, i) =>
        Math.floor(i / inner) % shape[1] === 0 || i % 5 !== 2 ? 1 : 0,
      ),
    });
  },
  'one mask for all': (shape) =>
    rectangular(shape, {
      where: {
        data: Uint8Array.from({ length: shape[1] }, (_, i) => (i % 4 === 3 ? 0 : 1)),
        dims: shape.length === 3 ? [shape[1], 1] : [shape[1]],
      },
    }),
  ragged: (shape) => {
    const { count, classes } = sizeOf(shape);
    const offsets = new Uint32Array(count + 1);
    for (let row = 0; row < count; row++) offsets[row + 1] = offsets[row] + 1 + ((row * 5) % classes);
    return { rows: { shape: [offsets[count]], offsets }, count, targets: targetsOf(count) };
  },
};

function rectangular(shape: readonly number[], options: object): Omit<Call, 'x' | 'own'> {
  const { count } = sizeOf(shape);
  return { rows: { shape, axis: 1, ...options }, count, targets: targetsOf(count) };
}

function sizeOf(shape: readonly number[]): { count: number; classes: number } {
  return { count: shape[0] * (shape[2] ?? 1), classes: shape[1] };
}

/** Class 0 takes part in every row. */
function targetsOf(count: number): Int32Array {
  return Int32Array.from({ length: count }, (_, row) => (row % 3 === 1 ? -100 : 0));
}

/** The call, or undefined where there are fewer classes than `k` asks for. */
function callOf(kind: string, shape: readonly number[], own: Options, x: (count: number) => Elements) {
  const { rows, ...rest } = kinds[kind](shape);
  if (kind !== 'ragged' && 'k' in own && (own.k as number) > shape[1]) return undefined;
  const count = rows.shape.reduce((a: number, b: number) => a * b);
  return { ...rest, rows, own, x: x(count) };
}

/** Who shares a record. */
const groups: { readonly [isa: string]: string } = {
  avx512: 'fused',
  avx2: 'fused',
  neon: 'fused',
  'wasm-relaxed': 'fused',
  wasm: 'portable',
};

describe(`The bits are those of the record, on ${backendName}`, () => {
  it('every operation that is declared is among them', () => {
    const own = Object.values(declared).filter(({ name, op }) => name === op.name);
    expect(Object.keys(operations).sort()).toEqual(own.map(({ name }) => name).sort());
  });

  const group = groups[backendName] ?? backendName;
  for (const [op, { variants }] of Object.entries(operations)) {
    it(op, async () => {
      const lines: string[] = [];
      for (const type of elementTypes) {
        for (const kind of Object.keys(kinds)) {
          for (const [variant, own] of Object.entries(variants)) {
            const hashes = new Map(Object.keys(routes).map((route) => [route, createHash('sha1')]));
            for (const [salt, shape] of shapes.entries()) {
              const dtype = type === 'float16' || type === 'bfloat16' ? { dtype: type } : {};
              const call = callOf(kind, shape, own, (count) => elements(logits(count, salt + 1), type));
              if (call === undefined) continue;
              for (const [route, run] of Object.entries(routes)) {
                const typed = route.startsWith('prepared') ? { dtype: type } : dtype;
                const arrays = await run(op, { ...call, rows: { ...call.rows, ...typed } });
                for (const array of arrays) hashes.get(route)?.update(bits(array));
              }
            }
            const digests = new Map(
              [...hashes].map(([route, hash]) => [route, hash.digest('hex').slice(0, 16)]),
            );
            const expected = digests.get('synchronously') as string;
            for (const [route, digest] of digests)
              expectSame(digest, expected, `${op} of ${type}, ${kind}, ${variant}, ${route}`);
            lines.push(`${type} | ${kind} | ${variant} | ${expected}`);
          }
        }
      }
      await expect(`${lines.join('\n')}\n`).toMatchFileSnapshot(`bits/${op}.${group}.txt`);
    });
  }

  // What evaluate and fitTemperature know of each row, before it is added up.
  for (const [name, op] of [
    ['judge', 'evaluate'],
    ['slope', 'fitTemperature'],
  ] as const) {
    it(name, async () => {
      const lines: string[] = [];
      for (const type of elementTypes) {
        for (const [kind, own] of Object.entries(kinds)) {
          if (op === 'fitTemperature' && kind === 'warm') continue; // the temperature is what it looks for
          const hashes = { run: createHash('sha1'), runAsync: createHash('sha1') };
          for (const [salt, shape] of shapes.entries()) {
            const { rows, targets } = own(shape);
            const { shape: dims, ...others } = rows;
            const size = dims.reduce((a: number, b: number) => a * b);
            const x = elements(logits(size, salt + 1), type);
            const dtype = type === 'float16' || type === 'bfloat16' ? { dtype: type } : {};
            const place = 'offsets' in others ? {} : { shape: dims };
            for (const [route, hash] of Object.entries(hashes)) {
              const { backend, problem } = plan(parted[op], x, targets, { ...others, ...place, ...dtype });
              for (const part of partsOf(problem as JudgeProblem | SlopeProblem)) {
                await backend[route as 'run' | 'runAsync'](part);
                hash.update(bits(part.out));
                if (!('brierScores' in part)) continue;
                const { confidences, brierScores, entropies, likeliest, targetRanks } = part;
                for (const array of [confidences, brierScores, entropies, likeliest, targetRanks])
                  hash.update(bits(array));
              }
            }
          }
          const [one, other] = Object.values(hashes).map((hash) => hash.digest('hex').slice(0, 16));
          expectSame(other, one, `${name} of ${type}, ${kind}, runAsync`);
          lines.push(`${type} | ${kind} | ${one}`);
        }
      }
      await expect(`${lines.join('\n')}\n`).toMatchFileSnapshot(`bits/${name}.${group}.txt`);
    });
  }

  if (backendName !== 'js')
    it('rows that are cut into spans', async () => {
      const lines: string[] = [];
      for (const type of ['float32', 'float64'] as const) {
        const x = elements(logits(600_001, 5), type);
        for (const op of ['softmax', 'logSoftmax', 'logSumExp']) {
          const call = { x, rows: { shape: [1, x.length] }, count: 1, own: {}, targets: targetsOf(1) };
          const digests = new Set<string>();
          for (const run of [routes.synchronously, routes['as a promise']]) {
            const hash = createHash('sha1');
            for (const array of await run(op, call)) hash.update(bits(array));
            digests.add(hash.digest('hex').slice(0, 16));
          }
          expectSame(digests.size, 1, op);
          lines.push(`${op} | ${type} | ${[...digests][0]}`);
        }
      }
      await expect(`${lines.join('\n')}\n`).toMatchFileSnapshot(`bits/spans.${group}.txt`);
    });
});
