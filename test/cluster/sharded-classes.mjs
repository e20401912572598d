/**
 * `npm run test:sharded`: 10 million classes that no process holds alone. Each worker process has a shard of them and
 * tells its log-sum-exp, one number per row; the parent adds those up and tells the sum, by which each worker knows its
 * probabilities. Compared with the softmax of all classes at once; ends with 1 where they disagree.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { logSumExp, softmax, topK } from '../../dist/index.js';

const ROWS = 2;
const CLASSES = 10_000_000;
const WORKERS = 4;
const K = 5;
/** Each side is within 2 ULP of the exact result. */
const MOST_ULPS = 4;

const here = fileURLToPath(import.meta.url);
if (process.argv[2] === 'worker') await work(Number(process.argv[3]));
else await lead();

async function work(shard) {
  const [first, end] = cut(shard);
  const shape = [ROWS, end - first];
  const logits = logitsOf(first, end);
  const answers = {
    // In float64: a log-sum-exp of float32 would not have the digits for float32 probabilities.
    partials: () => logSumExp(Float64Array.from(logits), { shape }),
    best: (logNormalizer) => topK(logits, K, { shape, logNormalizer }),
    // A service would use them here, where they are.
    probabilities: (logNormalizer) => softmax(logits, { shape, logNormalizer }),
  };
  process.on('message', ({ ask, logNormalizer }) => process.send(answers[ask](logNormalizer)));
  process.send('ready');
}

async function lead() {
  const workers = Array.from({ length: WORKERS }, (_, shard) =>
    fork(here, ['worker', String(shard)], { serialization: 'advanced' }),
  );
  try {
    await Promise.all(workers.map((worker) => once(worker, 'message')));
    await score(workers);
  } finally {
    for (const worker of workers) worker.kill();
  }
}

async function score(workers) {
  const ask = async (message) =>
    (
      await Promise.all(
        workers.map((worker) => {
          const answer = once(worker, 'message');
          worker.send(message);
          return answer;
        }),
      )
    ).map(([answer]) => answer);

  const start = performance.now();
  const partials = await ask({ ask: 'partials' });
  // The sum over shards is a log-sum-exp too: of [workers, rows], along the workers.
  const logNormalizer = logSumExp(Float64Array.from(partials.flatMap((values) => [...values])), {
    shape: [WORKERS, ROWS],
    axis: 0,
  });
  const best = await ask({ ask: 'best', logNormalizer });
  const ms = performance.now() - start;
  const sharded = await ask({ ask: 'probabilities', logNormalizer });

  const logits = logitsOf(0, CLASSES);
  const whole = softmax(logits, { shape: [ROWS, CLASSES] });
  const wholeBest = topK(logits, K, { shape: [ROWS, CLASSES] });

  let ulps = 0;
  let differing = 0;
  for (const [shard, probabilities] of sharded.entries()) {
    const [first, end] = cut(shard);
    for (let row = 0; row < ROWS; row++) {
      const one = bitsOf(probabilities, row * (end - first), end - first);
      const other = bitsOf(whole, row * CLASSES + first, end - first);
      for (let i = 0; i < one.length; i++) {
        const distance = Math.abs(one[i] - other[i]);
        if (distance > 0) differing++;
        if (distance > ulps) ulps = distance;
      }
    }
  }
  const winners = Array.from({ length: ROWS }, (_, row) => winnersOf(best, row));
  const wanted = Array.from({ length: ROWS }, (_, row) =>
    [...wholeBest.indices.subarray(row * K, (row + 1) * K)].join(),
  );
  const sums = Array.from({ length: ROWS }, (_, row) =>
    sharded.reduce((sum, values) => {
      const length = values.length / ROWS;
      return values.subarray(row * length, (row + 1) * length).reduce((a, b) => a + b, sum);
    }, 0),
  );
  const agree = winners.join(';') === wanted.join(';') && ulps <= MOST_ULPS;

  console.log(`${ROWS} rows of ${CLASSES} classes over ${WORKERS} processes`);
  console.log(
    `log-sum-exps of the shards: ${partials.map(([value]) => value.toFixed(12)).join(', ')} (first row)`,
  );
  console.log(`of all: ${logNormalizer[0].toFixed(12)}`);
  console.log(`the best ${K} of all shards, in two questions to each: ${ms.toFixed(0)} ms`);
  console.log(
    `from the softmax of all at once: at most ${ulps} ULP, in ${differing} of ${ROWS * CLASSES} results`,
  );
  console.log(`the probabilities add up to ${sums.map((sum) => sum.toFixed(9)).join(' and ')}`);
  console.log(`the best classes: ${winners.join('; ')}${agree ? '' : ` instead of ${wanted.join('; ')}`}`);
  console.log(agree ? '1 passed, 0 failed' : '0 passed, 1 failed');
  process.exitCode = agree ? 0 : 1;
}

function cut(shard) {
  return [shard, shard + 1].map((i) => Math.floor((i * CLASSES) / WORKERS));
}

/** Logits within ±10 that depend on row and class alone, whoever makes them; no two of a row need be alike. */
function logitsOf(first, end) {
  const logits = new Float32Array(ROWS * (end - first));
  for (let row = 0, at = 0; row < ROWS; row++) {
    for (let i = first; i < end; i++) {
      let hash = Math.imul(i ^ (row << 27), 0x9e3779b1);
      hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca77);
      hash ^= hash >>> 13;
      logits[at++] = (hash / 2 ** 31) * 10;
    }
  }
  return logits;
}

/** Of positive floats, the distance of the bits is that in ULP. */
function bitsOf({ buffer, byteOffset }, start, length) {
  return new Int32Array(buffer, byteOffset + start * 4, length);
}

/** The best of the shards' best: the likelier first, of equals the lower class. */
function winnersOf(best, row) {
  const all = best.flatMap(({ probabilities, indices }, shard) =>
    Array.from({ length: K }, (_, rank) => ({
      class: cut(shard)[0] + indices[row * K + rank],
      probability: probabilities[row * K + rank],
    })),
  );
  all.sort((a, b) => b.probability - a.probability || a.class - b.class);
  return all
    .slice(0, K)
    .map((entry) => entry.class)
    .join();
}
