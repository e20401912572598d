/** The program that is shipped: it says what backend it runs on. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const report = `console.log(JSON.stringify({ kind: backend.kind, isa: backend.isa,
  p: softmax([3.2, 1.3, 0.2, 0.8])[0].toFixed(3), loadError: backend.loadError?.message ?? null }));`;

export function writeApp(folder) {
  mkdirSync(join(folder, 'src'), { recursive: true });
  writeFileSync(
    join(folder, 'src/app.mjs'),
    `import { backend, softmax } from 'simd-softmax';
import { topK } from 'simd-softmax/promises';
topK([1, 2], 1).then(({ indices }) => { if (indices[0] !== 1) throw new Error('promises'); });\n${report}\n`,
  );
  writeFileSync(
    join(folder, 'src/app.cjs'),
    `const { backend, softmax } = require('simd-softmax');\n${report}\n`,
  );
}
