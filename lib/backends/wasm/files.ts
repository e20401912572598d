/** The modules as files, where there is a file system: beside this module, or in the package. */
import { lookAround } from '../native/places.js';
import type { Backend } from '../problem.js';
import { type WasmHere, wasmBackend } from './index.js';
import { compile, instantiate } from './instance.js';
import { type WasmIsa, wasmIsas } from './probe.js';

const names: { readonly [isa in WasmIsa]: string } = {
  'wasm-relaxed': 'simd-softmax.relaxed',
  wasm: 'simd-softmax',
};

/** The modules that this runtime runs and whose files are there. */
export function wasmHere(): WasmHere {
  const files = findFiles();
  const opened = new Map<string, Backend | undefined>();
  return {
    isas: [...files.keys()],
    isPending: false,
    open(isa) {
      if (!opened.has(isa)) opened.set(isa, open(isa as WasmIsa));
      return opened.get(isa);
    },
  };

  function open(isa: WasmIsa): Backend | undefined {
    const file = files.get(isa);
    if (file === undefined) return undefined;
    try {
      const module = compile(process.getBuiltinModule('node:fs').readFileSync(file));
      return wasmBackend(instantiate(module, isa));
    } catch {
      return undefined; // not a module, or of another version
    }
  }
}

function findFiles(): ReadonlyMap<WasmIsa, string> {
  const found = new Map<WasmIsa, string>();
  if (typeof process === 'undefined' || typeof process.getBuiltinModule !== 'function') return found;
  const fs = process.getBuiltinModule('node:fs');
  const path = process.getBuiltinModule('node:path');
  const around = lookAround(fs, path);
  if (around.isText) return found;
  const folders = foldersOf(around, path);
  for (const isa of wasmIsas()) {
    const candidates = folders.map((folder) => path.join(folder, `${names[isa]}.wasm`));
    const file = [...candidates, ...assetOf(isa)].find((candidate) => isThere(fs, candidate));
    if (file !== undefined) found.set(isa, file);
  }
  return found;
}

function foldersOf(
  { folder, root, installed }: ReturnType<typeof lookAround>,
  path: typeof import('node:path'),
): readonly string[] {
  const packages = (root === undefined ? installed : [root]).map((at) => path.join(at, 'dist'));
  return root === undefined && folder !== undefined ? [...packages, folder] : packages;
}

/** False also where it may not be known. */
function isThere(fs: typeof import('node:fs'), file: string): boolean {
  try {
    return fs.existsSync(file);
  } catch {
    return false;
  }
}

/** Where webpack put a module. As with binaries, the source tells webpack and @vercel/nft what belongs to it. */
function assetOf(isa: WasmIsa): readonly string[] {
  try {
    return [process.getBuiltinModule('node:url').fileURLToPath(moduleUrl(names[isa]))];
  } catch {
    return typeof __dirname === 'string' ? [modulePath(names[isa])] : [];
  }
}

function moduleUrl(name: string): URL {
  return new URL(`./${name}.wasm`, import.meta.url);
}

function modulePath(name: string): string {
  return `${__dirname}/${name}.wasm`;
}
