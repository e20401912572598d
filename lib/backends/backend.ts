/** Which backend solves a problem: decided once, at load; a call may ask for another by name. */
import { addon, loadError, nativeBackend } from '#addon';
import { rangeError, typeError } from '../arguments/errors.js';
import { environmentVariable } from './environment.js';
import { jsBackend } from './js/index.js';
import type { Backend } from './problem.js';

/** What serves calls that name no backend, and what else there is on this machine. */
export interface BackendInfo {
  /** Native kernels, or the pure-TypeScript path. */
  readonly kind: 'native' | 'js';
  /** The kernel table in use: `'avx512'`, `'avx2'`, `'neon'`, `'portable'`, or `'js'`. */
  readonly isa: string;
  /** The names that `SIMD_SOFTMAX_BACKEND` can force on this machine, best first, `'js'` last. */
  readonly supported: readonly string[];
  /** How many threads a large call may use. */
  readonly threads: number;
  /** Why the native addon could not be loaded; null where it was. */
  readonly loadError: Error | null;
}

/** Every name there is: those that this machine lacks are errors of another kind than misspellings. */
const isas = ['avx512', 'avx2', 'neon', 'portable'];
const supported: readonly string[] = [...(addon?.isas ?? []), 'js'];

const forced = readName(environmentVariable('SIMD_SOFTMAX_BACKEND') || 'auto', 'SIMD_SOFTMAX_BACKEND', [
  'auto',
  'native',
  ...isas,
  'js',
]);
/** Upper bound on threads from the environment; 0 means none. */
export const threadLimit: number = readThreads(environmentVariable('SIMD_SOFTMAX_THREADS'));

const native: Backend | undefined =
  addon === null ? undefined : nativeBackend(addon, isas.includes(forced) ? forced : addon.isas[0]);

/** Serves the calls that name no backend. */
export const defaultBackend: Backend = forced === 'js' || native === undefined ? jsBackend : native;

/**
 * The backend in use.
 *
 * @example
 * ```ts
 * import { backend } from 'simd-softmax';
 * console.log(backend.isa, backend.supported); // 'avx512' [ 'avx512', 'avx2', 'portable', 'js' ]
 * ```
 */
export const backend: BackendInfo = Object.freeze({
  kind: defaultBackend.kind,
  isa: defaultBackend.isa,
  supported: Object.freeze(supported),
  threads: defaultBackend.kind === 'js' || addon === null ? 1 : capped(addon.threads),
  loadError,
});

/** The backend that the option `backend` asks for. */
export function chooseBackend(asked: unknown): Backend {
  if (asked === undefined) return defaultBackend;
  if (typeof asked !== 'string') throw typeError('one of auto, native, js', 'backend', asked);
  const name = readName(asked, 'backend', ['auto', 'native', 'js']);
  if (name === 'auto') return defaultBackend;
  return name === 'js' ? jsBackend : (native ?? jsBackend);
}

/** A name that exists, and exists here. */
function readName(asked: string, name: string, names: readonly string[]): string {
  if (!names.includes(asked)) throw rangeError(`one of ${names.join(', ')}`, name, asked);
  if (asked === 'auto' || supported.includes(asked) || (asked === 'native' && addon !== null)) return asked;
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

function capped(threads: number): number {
  return threadLimit === 0 ? threads : Math.min(threadLimit, threads);
}
