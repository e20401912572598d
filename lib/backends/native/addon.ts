/** The native side, which package.json's "imports" name `#addon` where there is Node; `no-addon.ts` where there is not. */
export { addon, loadError } from './load.js';
export { nativeBackend } from './native.js';
