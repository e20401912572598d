import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { wasmIsas } from './lib/backends/wasm/probe.js';

/**
 * The contract suite runs once for each: every ISA of the addon that this machine supports, WebAssembly, and js; or on the
 * one alone that SIMD_SOFTMAX_BACKEND names.
 */
const forced = process.env.SIMD_SOFTMAX_BACKEND;
const backends = forced ? [forced] : [...nativeIsas(), ...wasmModules(), 'js'];

function wasmModules(): readonly string[] {
  const built = existsSync(fileURLToPath(new URL('./dist/simd-softmax.wasm', import.meta.url)));
  if (!built)
    console.warn('\n*** NO WEBASSEMBLY (npm run build:wasm), so the contract is not tested on it\n');
  return built ? wasmIsas() : [];
}

function nativeIsas(): readonly string[] {
  try {
    return createRequire(import.meta.url)(
      process.env.SIMD_SOFTMAX_ADDON ?? './build/Release/simd_softmax.node',
    ).isas;
  } catch (error) {
    console.warn(`\n*** NO ADDON, so the contract is tested on js alone: ${(error as Error).message}\n`);
    return [];
  }
}

const resolve = {
  alias: { '#addon': fileURLToPath(new URL('./lib/backends/native/addon.ts', import.meta.url)) },
};

// CI's machines are shared: what fails there is tried once more. `.ci/run` tells of each such test.
const retry = process.env.CI ? 1 : 0;

export default defineConfig({
  test: {
    testTimeout: 120_000,
    maxWorkers: '100%', // without it a core stays free: of two that is half
    projects: [
      ...backends.map((name) => ({
        resolve,
        test: {
          name,
          include: ['test/contract/**/*.test.ts'],
          env: { SIMD_SOFTMAX_BACKEND: name },
          testTimeout: 300_000,
          retry,
          pool: 'forks' as const,
        },
      })),
      {
        resolve,
        test: {
          name: 'once',
          include: ['test/*.test.ts', 'test/lifecycle/*.test.ts'],
          env: { SIMD_SOFTMAX_BACKEND: '' }, // these name backends themselves
          globalSetup: ['test/built.ts'],
          testTimeout: 120_000,
          retry,
          pool: 'forks' as const,
        },
      },
    ],
  },
});
