/** What package.json's "imports" name `#addon` where there may be Node: native code, and WebAssembly from files. */
export { wasmHere } from '../wasm/files.js';
export { loadAddon } from './load.js';
export { nativeBackend } from './native.js';
