/** Which of the modules an engine runs as they are meant, found out without compiling them. */

/** What is used of `WebAssembly`, which no TypeScript library of Node's declares. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (
    module: object,
  ) => {
    readonly exports: { square?(float: number, double: number): [number, number] };
  };
  validate(bytes: Uint8Array): boolean;
};

export type WasmIsa = 'wasm-relaxed' | 'wasm';

/**
 * `square(a, b)` gives a · a - 1 and b · b - 1 by relaxed multiply-adds, of floats and of doubles:
 * (func (export "square") (param f32 f64) (result f32 f64)
 *   (f32x4.extract_lane 3 (f32x4.relaxed_madd (f32x4.splat a) (f32x4.splat a) (f32x4.splat -1)))
 *   (f64x2.extract_lane 1 (f64x2.relaxed_madd (f64x2.splat b) (f64x2.splat b) (f64x2.splat -1))))
 */
// biome-ignore format: a section a line
const relaxedModule = Uint8Array.of(
  0, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
  1, 8, 1, 0x60, 2, 0x7d, 0x7c, 2, 0x7d, 0x7c,
  3, 2, 1, 0,
  7, 10, 1, 6, 0x73, 0x71, 0x75, 0x61, 0x72, 0x65, 0, 0,
  10, 50, 1, 48, 0,
  0x20, 0, 0xfd, 0x13, 0x20, 0, 0xfd, 0x13, 0x43, 0, 0, 0x80, 0xbf, 0xfd, 0x13, 0xfd, 0x85, 2, 0xfd, 0x1f, 3,
  0x20, 1, 0xfd, 0x14, 0x20, 1, 0xfd, 0x14, 0x44, 0, 0, 0, 0, 0, 0, 0xf0, 0xbf, 0xfd, 0x14, 0xfd, 0x87, 2, 0xfd, 0x21, 1,
  0x0b,
);

/** (func (result v128) (i32x4.splat (i32.const 0))) */
// biome-ignore format: a section a line
const plainModule = Uint8Array.of(
  0, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
  1, 5, 1, 0x60, 0, 1, 0x7b,
  3, 2, 1, 0,
  10, 8, 1, 6, 0, 0x41, 0, 0xfd, 0x11, 0x0b,
);

/** Best first; none where there is no WebAssembly, or none with SIMD. */
export function wasmIsas(): readonly WasmIsa[] {
  if (typeof WebAssembly === 'undefined' || !WebAssembly.validate(plainModule)) return [];
  return fuses() ? ['wasm-relaxed', 'wasm'] : ['wasm'];
}

/**
 * Whether relaxed multiply-adds are rounded once here. Where the product is rounded first (CPUs without FMA), the squares of
 * 1 + 2^-12 and 1 + 2^-27 lose their last bit. In Bun this changes while a process runs, so that nothing can be tested.
 */
function fuses(): boolean {
  if ('Bun' in globalThis || !WebAssembly.validate(relaxedModule)) return false;
  try {
    const { square } = new WebAssembly.Instance(new WebAssembly.Module(relaxedModule)).exports;
    const [float, double] = square?.(1 + 2 ** -12, 1 + 2 ** -27) ?? [];
    return float === 2 ** -11 + 2 ** -24 && double === 2 ** -26 + 2 ** -54;
  } catch {
    return false; // workerd compiles no bytes
  }
}
