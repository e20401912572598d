/** The native side, which package.json's "imports" name `#addon` where there may be Node; `no-addon.ts` elsewhere. */
export { loadAddon } from './load.js';
export { nativeBackend } from './native.js';
