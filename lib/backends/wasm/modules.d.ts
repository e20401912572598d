/** What an imported .wasm file is, where runtimes and bundlers know it: a WebAssembly.Module. */
declare module '*.wasm' {
  const module: object;
  // biome-ignore lint/style/noDefaultExport: it is one
  export default module;
}
