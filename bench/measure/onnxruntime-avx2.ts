/** The onnxruntime of a CPU without AVX-512, for our AVX2 kernels to be compared with, on one that has it. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** `xor ecx, ecx; xgetbv` asks which registers the operating system saves; `push 7; pop rax` says: none of 512 bits. */
const asksForRegisters = Buffer.from('31c90f01d0', 'hex');
const saysUpTo256Bits = Buffer.from('31c96a0758', 'hex');

/** A copy of its library that takes the CPU for one without AVX-512, to preload; undefined where there is none. */
export function onnxruntimeForAvx2(): string | undefined {
  if (process.platform !== 'linux' || process.arch !== 'x64') return undefined;
  const binaries = join(dirname(createRequire(import.meta.url).resolve('onnxruntime-node')), '..', 'bin');
  const [napi] = readdirSync(binaries);
  const name = 'libonnxruntime.so.1';
  const library = readFileSync(join(binaries, napi, 'linux', 'x64', name));
  let patched = 0;
  for (let at = library.indexOf(asksForRegisters); at >= 0; at = library.indexOf(asksForRegisters, at + 1)) {
    saysUpTo256Bits.copy(library, at);
    patched++;
  }
  if (patched === 0) return undefined;
  const folder = fileURLToPath(new URL('../.built/onnxruntime-avx2/', import.meta.url));
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, name), library);
  return join(folder, name);
}
