/** Hashes over the results of every operation, from integers alone: what one machine computes, another has to as well. */
export async function digest(api, promises) {
  const { softmax, logSoftmax, logSumExp, topK, sample, crossEntropy } = api;
  const digests = {};
  for (const [rows, classes] of [
    [1, 4],
    [1000, 4],
    [33, 10],
    [17, 130],
    [5, 1000],
    [1, 128256],
    [1, 400_000],
  ]) {
    for (const Kind of [Float32Array, Float64Array]) {
      const x = new Kind(rows * classes);
      for (let i = 0; i < x.length; i++) x[i] = (Math.imul(i + 7, 0x9e3779b1) >> 12) / 32768;
      const targets = Int32Array.from({ length: rows }, (_, row) => (row * 7) % classes);
      const shape = [rows, classes];
      const best = topK(x, Math.min(classes, 40), { shape });
      const gradient = new Kind(x.length);
      const results = [
        softmax(x, { shape, backend: api.backend.kind }),
        await promises.softmax(x, { shape, temperature: 0.7 }),
        logSoftmax(x, { shape }),
        logSumExp(x, { shape }),
        best.probabilities,
        best.indices,
        sample(x, { shape, seed: 11, count: 3, topK: 30, topP: 0.9 }),
        crossEntropy(x, targets, { shape, reduction: 'none', gradient }),
        gradient,
      ];
      digests[`${rows} x ${classes} ${Kind.name}`] = results.map(hashOf).join(' ');
    }
  }
  return digests;
}

/** FNV-1a of the bytes. */
function hashOf({ buffer, byteOffset, byteLength }) {
  let hash = 0x811c9dc5;
  for (const byte of new Uint8Array(buffer, byteOffset, byteLength))
    hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, '0');
}
