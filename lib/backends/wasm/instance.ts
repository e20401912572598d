/** A module built from native/wasm.cc, running: its memory, and where the members of a problem lie in it. */

import type { WasmIsa } from './probe.js';

/** What is used of `WebAssembly`, which no TypeScript library of Node's declares. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => Module;
  readonly Instance: new (module: Module) => { readonly exports: unknown };
  compile(bytes: ArrayBuffer): Promise<Module>;
  compileStreaming?(response: Response): Promise<Module>;
};

/** What is used of a response to `fetch`. */
interface Response {
  readonly ok: boolean;
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  arrayBuffer(): Promise<ArrayBuffer>;
}

/** A `WebAssembly.Module`. */
export type Module = object;

/** What native/wasm.cc exports. Addresses are numbers. */
interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  members(): number;
  operationsOf(): number;
  posed(): number;
  outAt(): number;
  heapEnd(): number;
  changesFit(classes: number, entries: number): number;
  solve(): void;
  solveSmall(
    op: number,
    type: number,
    x: number,
    out: number,
    rows: number,
    classes: number,
    temperature: number,
  ): void;
  spanLength(): number;
  measureSize(): number;
  measure(measures: number, span: number, again: number): void;
  combine(measures: number, spans: number): number;
  emit(): void;
  fuses(float: number, double: number): number;
}

/** How many elements an array has: the names of native/operations.h. */
export type Extent =
  | 'elements'
  | 'rows'
  | 'starts'
  | 'classes'
  | 'mask'
  | 'words'
  | 'normalizers'
  | 'losses'
  | 'results'
  | 'given'
  | 'k'
  | 'count'
  | 'settings'
  | 'bounds'
  | 'biasCount'
  | 'historyCount'
  | 'promptCount';

/** A member of a problem in memory. */
export interface Member {
  readonly name: string;
  readonly at: number;
  readonly kind: 'number' | 'integer' | 'byte' | 'pointer';
  /** Of arrays. */
  readonly extent: Extent | undefined;
}

export interface Instance extends Exports {
  readonly isa: WasmIsa;
  readonly memberOf: ReadonlyMap<string, Member>;
  /** The operations that it has: their codes, and how many elements `out` has. */
  readonly operations: ReadonlyMap<string, { readonly code: number; readonly out: Extent }>;
  /** All of memory: anew after it has grown. */
  bytes(): Uint8Array;
  view(): DataView;
  /** Makes sure that there are so many bytes from `heapEnd()` on. */
  reserve(bytes: number): void;
}

const pageBytes = 2 ** 16;

export const compile = (bytes: Uint8Array): Module => new WebAssembly.Module(bytes);

/** Compiled while it arrives, where its server says what it is. */
export async function compileFrom(url: URL): Promise<Module> {
  const { fetch } = globalThis as unknown as { fetch(url: URL): Promise<Response> };
  const response = await fetch(url);
  if (!response.ok) throw new Error(`Expected the module at ${url} but received status ${response.status}`);
  const isNamed = response.headers.get('Content-Type')?.startsWith('application/wasm') === true;
  if (isNamed && WebAssembly.compileStreaming) return WebAssembly.compileStreaming(response);
  return WebAssembly.compile(await response.arrayBuffer());
}

/** Whether the module's multiply-adds are rounded once here. */
export function fuses(module: Module): boolean {
  const { fuses } = new WebAssembly.Instance(module).exports as Exports;
  return fuses(1 + 2 ** -12, 1 + 2 ** -27) !== 0;
}

export function instantiate(module: Module, isa: WasmIsa): Instance {
  const exports = new WebAssembly.Instance(module).exports as Exports;
  const { memory } = exports;
  const heapEnd = exports.heapEnd();
  let bytes = new Uint8Array(memory.buffer);
  let view = new DataView(memory.buffer);
  const members = readList(bytes, view, exports.members()).map(
    ({ name, number, kind, extent }) =>
      ({ name, at: exports.posed() + number, kind, extent: extent || undefined }) as Member,
  );
  members.push({ name: 'out', at: exports.outAt(), kind: 'pointer', extent: undefined });
  const operations = readList(bytes, view, exports.operationsOf()).map(
    ({ name, number, extent }) => [name, { code: number, out: extent as Extent }] as const,
  );
  return {
    ...exports,
    isa,
    memberOf: new Map(members.map((member) => [member.name, member])),
    operations: new Map(operations),
    bytes: () => bytes,
    view: () => view,
    reserve(wanted) {
      const missing = heapEnd + wanted - memory.buffer.byteLength;
      if (missing > 0) memory.grow(Math.ceil(missing / pageBytes));
      if (bytes.buffer === memory.buffer) return;
      bytes = new Uint8Array(memory.buffer);
      view = new DataView(memory.buffer);
    },
  };
}

/** A list of native/wasm.cc: a name, a number, a kind and an extent, four bytes each, up to one without a name. */
function readList(bytes: Uint8Array, view: DataView, list: number) {
  const textAt = (at: number) => {
    const start = view.getUint32(at, true);
    return start === 0 ? '' : String.fromCharCode(...bytes.subarray(start, bytes.indexOf(0, start)));
  };
  const entries = [];
  for (let at = list; view.getUint32(at, true) !== 0; at += 16)
    entries.push({
      name: textAt(at),
      number: view.getUint32(at + 4, true),
      kind: textAt(at + 8),
      extent: textAt(at + 12),
    });
  return entries;
}
