/**
 * Every operation by every route, against plain loops: a first proof that a runtime and the package go together.
 * Stands alone, so that it can be copied beside an installed package and run by Node, Bun, Deno or a browser.
 */
import * as sync from 'simd-softmax';
import * as promises from 'simd-softmax/promises';

const routes = { synchronously: sync, 'as a promise': promises };
const logits = Array.from({ length: 3 * 37 }, (_, i) => Math.sin(i * 1.7) * 9);
const rows = [0, 1, 2].map((row) => logits.slice(row * 37, (row + 1) * 37));
const shape = [3, 37];

function exact(row, temperature = 1) {
  const scaled = row.map((x) => x / temperature);
  const max = Math.max(...scaled);
  const sum = scaled.reduce((total, x) => total + Math.exp(x - max), 0);
  const logSumExp = max + Math.log(sum);
  return {
    logSumExp,
    logSoftmax: scaled.map((x) => x - logSumExp),
    softmax: scaled.map((x) => Math.exp(x - max) / sum),
  };
}

function near(received, expected, tolerance, what) {
  if (received.length !== expected.length)
    throw new Error(`${what}: ${received.length} values, not ${expected.length}`);
  for (let i = 0; i < expected.length; i++) {
    const allowed = tolerance * Math.max(1e-3, Math.abs(expected[i]));
    if (!(Math.abs(received[i] - expected[i]) <= allowed)) {
      throw new Error(`${what}[${i}]: expected ${expected[i]} but received ${received[i]}`);
    }
  }
}

const types = [
  [Float32Array, 2e-6],
  [Float64Array, 1e-12],
  ...(typeof Float16Array === 'undefined' ? [] : [[Float16Array, 5e-3]]),
];

const checks = {};
for (const [route, api] of Object.entries(routes)) {
  for (const [Type, tolerance] of types) {
    const x = Type.from(logits);
    const exactRows = rows.map((_, row) => exact([...x.subarray(row * 37, (row + 1) * 37)], 0.8));
    for (const op of ['softmax', 'logSoftmax', 'logSumExp']) {
      checks[`${op} of a ${Type.name} ${route}`] = async () => {
        const received = await api[op](x, { shape, temperature: 0.8 });
        const expectedType = op === 'logSumExp' && Type.BYTES_PER_ELEMENT === 2 ? Float32Array : Type;
        if (received.constructor !== expectedType) throw new Error(`a ${received.constructor.name}`);
        near(
          received,
          exactRows.flatMap((row) => row[op]),
          tolerance,
          op,
        );
      };
    }
  }
  checks[`nested arrays ${route}`] = async () =>
    near(
      (await api.softmax(rows)).flat(),
      rows.flatMap((row) => exact(row).softmax),
      1e-12,
      'softmax',
    );
  checks[`tensors ${route}`] = async () => {
    const tensor = await api.softmax({ data: Float32Array.from(logits), dims: shape, type: 'float32' });
    near(
      tensor.data,
      rows.flatMap((row) => exact(row).softmax),
      2e-6,
      'softmax',
    );
  };
  checks[`16-bit patterns ${route}`] = async () => {
    // 1, 2 and 3 as bfloat16; of float16, 1 and 1.
    const [, , most] = await api.softmax(Uint16Array.of(0x3f80, 0x4000, 0x4040), { dtype: 'bfloat16' });
    if (most !== 0x3f2a) throw new Error(`0x${most.toString(16)}`);
    const [half] = await api.softmax(Uint16Array.of(0x3c00, 0x3c00), { dtype: 'float16' });
    if (half !== 0x3800) throw new Error(`0x${half.toString(16)}`);
  };
  checks[`an inner axis, a mask, lengths and offsets ${route}`] = async () => {
    const x = Float64Array.of(1, 2, 3, 4, 5, 6);
    const columns = [1, 2, 3].map((i) => exact([i, i + 3]).softmax);
    near(
      await api.softmax(x, { shape: [2, 3], axis: 0 }),
      [0, 1].flatMap((j) => columns.map((c) => c[j])),
      1e-12,
      'axis',
    );
    near(
      await api.softmax(x, { where: Uint8Array.of(1, 1, 0, 0, 0, 0) }),
      [...exact([1, 2]).softmax, 0, 0, 0, 0],
      1e-12,
      'where',
    );
    const lengths = [2, 1];
    near(
      await api.softmax(x, { shape: [2, 3], lengths }),
      [...exact([1, 2]).softmax, 0, 1, 0, 0],
      1e-12,
      'lengths',
    );
    const offsets = [0, 1, 6];
    near(await api.softmax(x, { offsets }), [1, ...exact([2, 3, 4, 5, 6]).softmax], 1e-12, 'offsets');
  };
  checks[`topK ${route}`] = async () => {
    const { probabilities, indices } = await api.topK(Float32Array.from(logits), 3, { shape });
    const expected = rows.map((row) => {
      const { softmax } = exact(row);
      return softmax
        .map((p, i) => [p, i])
        .sort(([a], [b]) => b - a)
        .slice(0, 3);
    });
    near(
      probabilities,
      expected.flat().map(([p]) => p),
      2e-6,
      'probabilities',
    );
    near(
      indices,
      expected.flat().map(([, i]) => i),
      0,
      'indices',
    );
  };
  checks[`classify ${route}`] = async () => {
    const labels = ['dog', 'cat', 'horse', 'cheetah'];
    const [first] = await api.classify([3.2, 1.3, 0.2, 0.8], { labels, k: 1 });
    if (first.label !== 'dog' || first.score.toFixed(3) !== '0.775') throw new Error(JSON.stringify(first));
  };
  checks[`sample ${route}`] = async () => {
    const one = await api.sample(Float32Array.from(logits), { shape, seed: 42, topK: 5, topP: 0.9 });
    const again = await api.sample(Float32Array.from(logits), { shape, seed: 42, topK: 5, topP: 0.9 });
    near(one, [...again], 0, 'the same seed');
    const [argmax] = await api.sample([3.2, 1.3, 9, 0.8], { temperature: 0 });
    if (argmax !== 2) throw new Error(`class ${argmax}`);
  };
  checks[`crossEntropy ${route}`] = async () => {
    const gradient = new Float64Array(logits.length);
    const loss = await api.crossEntropy(Float64Array.from(logits), [3, 1, 4], { shape, gradient });
    near(
      [loss],
      [-rows.reduce((sum, row, i) => sum + exact(row).logSoftmax[[3, 1, 4][i]], 0) / 3],
      1e-12,
      'loss',
    );
    near(
      gradient,
      rows.flatMap((row, i) => exact(row).softmax.map((p, j) => (p - (j === [3, 1, 4][i] ? 1 : 0)) / 3)),
      1e-12,
      'gradient',
    );
  };
  checks[`wrong arguments ${route}`] = async () => {
    try {
      await api.softmax([1, 2], { temprature: 2 });
    } catch (error) {
      if (error.code === 'ERR_UNKNOWN_OPTION') return;
      throw error;
    }
    throw new Error('no error');
  };
}
checks['large batches synchronously and as a promise'] = async () => {
  const x = Float32Array.from({ length: 1 << 20 }, (_, i) => (i % 1009) / 100);
  const there = sync.softmax(x, { shape: [1024, 1024] });
  const here = await promises.softmax(x, { shape: [1024, 1024] });
  near(here, there, 0, 'the same bits');
  near(there.subarray(0, 1024), exact([...x.subarray(0, 1024)]).softmax, 2e-6, 'softmax');
};
checks['prepared calls'] = async () => {
  const prepared = sync.prepare('softmax', { shape, dtype: 'float32' });
  const expected = rows.flatMap((row) => exact(row).softmax);
  prepared.input.set(logits);
  prepared.run();
  near(prepared.output, expected, 2e-6, 'run');
  prepared.output.fill(0);
  await prepared.runAsync();
  near(prepared.output, expected, 2e-6, 'runAsync');
};
checks['a promise that is aborted'] = async () => {
  try {
    await promises.softmax([1, 2], { signal: AbortSignal.abort() });
  } catch (error) {
    if (error.name === 'AbortError') return;
    throw error;
  }
  throw new Error('no error');
};

/** What ran on what: `failures` is empty where all is well. */
export async function smoke() {
  const failures = [];
  for (const [name, check] of Object.entries(checks)) {
    try {
      await check();
    } catch (error) {
      failures.push(`${name}: ${error?.stack ?? error}`);
    }
  }
  const { kind, isa, supported, threads, loadError } = sync.backend;
  return {
    passed: Object.keys(checks).length - failures.length,
    failures,
    float16Array: typeof Float16Array !== 'undefined',
    backend: { kind, isa, supported, threads, loadError: loadError === null ? null : loadError.message },
  };
}

if (typeof window === 'undefined') console.log(JSON.stringify(await smoke()));
