/** Which backend solves a problem: decided once, by the first call or look; a call may ask for another by name. */
import { loadAddon, nativeBackend, wasmHere } from '#addon';
import { rangeError, typeError } from '../arguments/errors.js';
import { environmentVariable, isBuildingSnapshot } from './environment.js';
import { jsBackend } from './js/index.js';
import type { Backend } from './problem.js';

/** What serves calls that name no backend, and what else there is on this machine. */
export interface BackendInfo {
  /** Native kernels, the same in WebAssembly, or the pure-TypeScript path. */
  readonly kind: 'native' | 'wasm' | 'js';
  /** The kernel table in use: `'avx512'`, `'avx2'`, `'neon'`, `'portable'`, `'wasm-relaxed'`, `'wasm'`, or `'js'`. */
  readonly isa: string;
  /** The names that `SIMD_SOFTMAX_BACKEND` can force on this machine, best first, `'js'` last. */
  readonly supported: readonly string[];
  /** How many threads a large call may use. */
  readonly threads: number;
  /** Why the native addon could not be loaded; null where it was. */
  readonly loadError: Error | null;
}

/** What was decided, for all calls of this process. */
export interface Decision {
  /** Serves the calls that name no backend. */
  readonly backend: Backend;
  readonly native: Backend | undefined;
  /** Loads the module, the first time. */
  readonly wasm: () => Backend;
  readonly info: BackendInfo;
  /** False while nothing is decided for good: another call asks again. */
  readonly isFinal: boolean;
  /** Upper bound on threads from the environment; 0 means none. */
  readonly threadLimit: number;
}

/** Every name there is: those that this machine lacks are errors of another kind than misspellings. */
const isas = ['avx512', 'avx2', 'neon', 'portable'];
const wasmIsas = ['wasm-relaxed', 'wasm'];

let decision: Decision | undefined;

/**
 * Loads the addon and reads the environment, the first time. Node cannot put an addon into a startup snapshot, nor does
 * the machine that restores one have to be this one: pure TypeScript serves while one is built, and nothing is decided.
 */
export function decided(): Decision {
  if (decision !== undefined) return decision;
  const made = decide();
  if (made.isFinal) decision = made;
  return made;
}

function decide(): Decision {
  const isSnapshot = isBuildingSnapshot();
  const { addon, loadError } = isSnapshot ? { addon: null, loadError: notYet() } : loadAddon();
  const modules = isSnapshot ? undefined : wasmHere();
  const supported = Object.freeze([...(addon?.isas ?? []), ...(modules?.isas ?? []), 'js']);
  const here: Here = { supported, loadError };
  const threadLimit = readThreads(environmentVariable('SIMD_SOFTMAX_THREADS'));
  const asked = isSnapshot ? 'js' : environmentVariable('SIMD_SOFTMAX_BACKEND') || 'auto';
  const names = ['auto', 'native', ...isas, ...wasmIsas, 'js'];
  const forced = readName(asked, 'SIMD_SOFTMAX_BACKEND', names, here);
  const native =
    addon === null ? undefined : nativeBackend(addon, isas.includes(forced) ? forced : addon.isas[0]);
  const module = wasmIsas.includes(forced) ? forced : modules?.isas[0];
  const wasm = () => (module === undefined ? undefined : modules?.open(module)) ?? jsBackend;
  const backend = forced === 'js' ? jsBackend : wasmIsas.includes(forced) ? wasm() : (native ?? wasm());
  const available = backend.kind === 'native' && addon !== null ? addon.threads : 1;
  const threads = threadLimit === 0 ? available : Math.min(threadLimit, available);
  const info = { kind: backend.kind, isa: backend.isa, threads, ...here };
  const isFinal = !isSnapshot && modules?.isPending !== true;
  return { backend, native, wasm, threadLimit, info, isFinal };
}

/** Made when it is asked for: Node 22 dies of an error that is alive when it writes the snapshot. */
function notYet(): Error {
  return new Error('A startup snapshot is being built, so pure TypeScript serves until it is restored.');
}

/**
 * The backend in use. To look at it decides it, as the first call does.
 *
 * @example
 * ```ts
 * import { backend } from 'simd-softmax';
 * console.log(backend.isa, backend.supported); // 'avx512' [ 'avx512', 'avx2', 'portable', 'js' ]
 * ```
 */
export const backend: BackendInfo = Object.freeze(
  Object.defineProperty(
    {
      get kind() {
        return decided().info.kind;
      },
      get isa() {
        return decided().info.isa;
      },
      get supported() {
        return decided().info.supported;
      },
      get threads() {
        return decided().info.threads;
      },
      get loadError() {
        return decided().info.loadError;
      },
    },
    // Node would print [Getter] for each.
    Symbol.for('nodejs.util.inspect.custom'),
    { value: () => decided().info },
  ),
);

/** The backend that the option `backend` asks for. */
export function chooseBackend(asked: unknown): Backend {
  const { backend, native, wasm, info } = decided();
  if (asked === undefined) return backend;
  if (typeof asked !== 'string') throw typeError('one of auto, native, wasm, js', 'backend', asked);
  // Whichever module it is: a browser loads only the one that suits it.
  if (asked === 'wasm' && info.supported.some((isa) => wasmIsas.includes(isa))) return wasm();
  const name = readName(asked, 'backend', ['auto', 'native', 'wasm', 'js'], info);
  if (name === 'auto') return backend;
  return name === 'js' ? jsBackend : (native ?? jsBackend);
}

type Here = Pick<BackendInfo, 'supported' | 'loadError'>;

/** A name that exists, and exists here. */
function readName(asked: string, name: string, names: readonly string[], here: Here): string {
  const { supported, loadError } = here;
  if (!names.includes(asked)) throw rangeError(`one of ${names.join(', ')}`, name, asked);
  if (asked === 'auto' || supported.includes(asked) || (asked === 'native' && loadError === null))
    return asked;
  const why = loadError === null ? 'which this machine supports' : 'the addon could not be loaded: see cause';
  const expected = `one of ${supported.join(', ')} (${why})`;
  const error = rangeError(expected, name, asked, 'ERR_BACKEND_UNAVAILABLE');
  throw Object.assign(error, loadError === null ? {} : { cause: loadError });
}

function readThreads(text: string | undefined): number {
  if (text === undefined || text === '') return 0;
  if (!/^[1-9]\d{0,8}$/.test(text))
    throw rangeError('an integer of at least 1', 'SIMD_SOFTMAX_THREADS', text);
  return Number(text);
}

/** The threads that a call may use, of those that it asks for; 0 means all. */
export function boundThreads(asked: number): number {
  const { threadLimit } = decided();
  return asked === 0 || threadLimit === 0 ? asked || threadLimit : Math.min(asked, threadLimit);
}
