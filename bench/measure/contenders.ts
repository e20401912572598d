/** Who takes part, and in which groups of cases. */
import { createRequire } from 'node:module';
import type { Group } from './case.js';
import { interpreterFor } from './interpreter.mjs';
import { onnxruntimeForAvx2 } from './onnxruntime-avx2.js';
import { type Kind, REFERENCE } from './results.js';

export interface ContenderSpec {
  readonly name: string;
  readonly kind: Kind;
  /** In bench/contenders/. */
  readonly module: string;
  /** Of a module in Python. */
  readonly interpreter?: string;
  readonly options: { readonly [name: string]: unknown };
  readonly env: { readonly [name: string]: string };
  /** Default: all. */
  readonly groups?: readonly Group[];
}

/** Everything but what only some can do: the family, and more threads. */
const SOFTMAX: readonly Group[] = ['shapes', 'axes', 'calls', 'classes', 'ranges'];
/** Less the sweeps: for variants, and for the slowest. */
const TABLES: readonly Group[] = ['shapes', 'axes', 'calls'];
/** One thread, whatever library they call. */
const ONE_THREAD = { OMP_NUM_THREADS: '1', OPENBLAS_NUM_THREADS: '1', MKL_NUM_THREADS: '1' };

export function contenders(): ContenderSpec[] {
  const { backend } = createRequire(new URL('../../package.json', import.meta.url))('simd-softmax');
  return [...ours(backend.supported), ...peers(backend.supported), ...python()];
}

function ours([best, ...others]: readonly string[]): ContenderSpec[] {
  const spec = (name: string, isa: string, options: object, groups?: readonly Group[]): ContenderSpec => ({
    name,
    kind: 'ours',
    module: 'simd-softmax.ts',
    options: { ...options },
    env: { SIMD_SOFTMAX_BACKEND: isa },
    ...(groups && { groups }),
  });
  return [
    spec(REFERENCE, best, {}),
    spec(`${REFERENCE}, all threads`, best, { allThreads: true }, ['shapes', 'axes', 'family']),
    spec(`${REFERENCE}, prepared`, best, { prepared: true }, ['calls']),
    ...others.map((isa) =>
      spec(`${REFERENCE}, ${isa}`, isa, {}, [...(isa === 'js' ? SOFTMAX : TABLES), 'family']),
    ),
  ];
}

function peers(supported: readonly string[]): ContenderSpec[] {
  const spec = (
    name: string,
    kind: Kind,
    module: string,
    groups?: readonly Group[],
    options: object = {},
  ): ContenderSpec => ({
    name,
    kind,
    module,
    options: { ...options },
    env: ONE_THREAD,
    ...(groups && { groups }),
  });
  const forAvx2 = supported.includes('avx512') ? onnxruntimeForAvx2() : undefined;
  return [
    spec('onnxruntime-node', 'peer', 'onnxruntime-node.ts'),
    ...(forAvx2 === undefined
      ? []
      : [
          {
            ...spec('onnxruntime-node, avx2', 'peer', 'onnxruntime-node.ts', TABLES),
            env: { ...ONE_THREAD, LD_PRELOAD: forAvx2 },
          },
        ]),
    spec('onnxruntime-node, loops', 'peer', 'onnxruntime-node.ts', ['family'], { thenLoops: true }),
    spec('onnxruntime-web', 'peer', 'onnxruntime-web.ts', [...SOFTMAX, 'family']),
    spec('tfjs wasm', 'peer', 'tfjs.ts', SOFTMAX, { backend: 'wasm' }),
    spec('tfjs cpu', 'peer', 'tfjs.ts', TABLES, { backend: 'cpu' }),
    spec('transformers.js', 'peer', 'transformers.ts', SOFTMAX),
    spec('mathjs', 'peer', 'mathjs.ts', TABLES),
    spec('map/reduce', 'loop', 'map-reduce.ts', TABLES),
    spec('plain loop', 'loop', 'plain-loop.ts', [...SOFTMAX, 'family']),
    spec('memcpy', 'floor', 'memcpy.ts', ['shapes', 'axes', 'calls', 'classes', 'threads']),
  ];
}

/**
 * What is at hand in Python: Debian's python3-scipy, python3-torch, and python3-numpy with libdnnl2, or any other
 * installation (the environment variable PYTHON names its interpreter).
 */
function python(): ContenderSpec[] {
  const all = [
    { name: 'numpy', library: 'numpy', needs: 'import numpy' },
    { name: 'scipy', library: 'scipy', needs: 'import scipy.special' },
    { name: 'torch', library: 'torch', needs: 'import torch' },
    { name: 'oneDNN', library: 'onednn', needs: 'import numpy, ctypes; ctypes.CDLL("libdnnl.so.2")' },
  ];
  return all.flatMap(({ name, library, needs }) => {
    const interpreter = interpreterFor(needs);
    if (interpreter === undefined) return [];
    return [
      {
        ...{ name, kind: 'peer', module: 'python.py', interpreter },
        ...{ options: { library }, env: ONE_THREAD, groups: SOFTMAX },
      },
    ];
  });
}
