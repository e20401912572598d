/**
 * A problem is solved part by part: some of its rows are copied into the memory of the module, solved and copied out. So
 * a few megabytes do for any number of rows.
 */
import { bufferOf, byteOffsetOf, lengthOf } from '../../arguments/elements.js';
import { SETTINGS } from '../js/sampleSettings.js';
import type { Problem } from '../problem.js';
import type { Extent, Instance, Member } from './instance.js';
import { apartInPage } from './page.js';
import { Posed } from './posed.js';

type View = Float32Array | Float64Array | Uint16Array | Uint32Array | Int32Array | Uint8Array;

/** Rows [first, end): whole slabs, or neighbours in one slab. */
export interface Part {
  readonly first: number;
  readonly end: number;
}

/** An array of a problem, as bytes. */
interface Operand {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly size: number; // of an element
  readonly extent: Extent;
  readonly written: boolean;
  /** Whether each part goes on with what the one before left. */
  readonly kept: boolean;
  /** Of lists that rows have parts of: where each part starts, and the end. */
  readonly starts: Uint32Array | undefined;
}

/** Where what each row has to itself starts in an array, and the end. Read once: others may write to shared memory meanwhile. */
interface Bounds {
  readonly name: string;
  readonly starts: Uint32Array;
}

/** What a part takes is to stay in the second cache, with what it gives: 1000 x 1000 floats 1.1 ns so, 1.3 by 4 MB. */
const partBytes = 2 ** 17;
/** The most that a row may take: a longer one is solved by spans, or in JavaScript. */
export const longestBytes = 2 ** 23;

/** Of an element, in bytes. */
export const sizeOf = (view: View): number => view.BYTES_PER_ELEMENT;

export function bytesOf(view: View): Uint8Array {
  return new Uint8Array(bufferOf(view), byteOffsetOf(view), lengthOf(view) * sizeOf(view));
}

/** Lists of classes: the name of the number that says how many there are, and of the array that says where rows start. */
const lists: ReadonlyMap<Extent, string> = new Map<Extent, string>([
  ['biasCount', 'biasStarts'],
  ['historyCount', 'historyStarts'],
  ['promptCount', 'promptStarts'],
]);

/** Those whose entries lie row by row, whatever the axis. */
const byRow: ReadonlySet<Extent> = new Set<Extent>(['rows', 'count', 'words', 'settings', ...lists.keys()]);

/** Whether `out` is the sum of all rows' losses. */
export const isSummed = (problem: Problem): boolean => (problem as { summed?: boolean }).summed === true;

/** A problem made ready for an instance: its arrays looked up, its rows counted. */
export class Parts {
  readonly rows: number;
  readonly rowBytes: number;
  private readonly operands: Operand[] = [];
  private readonly posed: Posed;
  private readonly bounds: Bounds[] = [];
  private readonly offsets: Uint32Array | undefined;

  constructor(
    private readonly instance: Instance,
    readonly problem: Problem,
  ) {
    this.rows = problem.outer * problem.inner;
    this.posed = new Posed(instance, problem);
    const { memberOf, operations } = instance;
    const values = problem as unknown as { readonly [name: string]: unknown };
    const isGiven = ({ name, kind }: Member) => kind === 'pointer' && values[name] !== undefined;
    const areStarts = ({ extent }: Member) => extent === 'starts' || extent === 'bounds';
    const given = [...memberOf.values()].filter(isGiven);
    for (const { name } of given.filter(areStarts))
      this.bounds.push({ name, starts: Uint32Array.from(values[name] as Uint32Array) });
    const startsOf = (name: string | undefined) => this.bounds.find((bounds) => bounds.name === name)?.starts;
    this.offsets = startsOf('offsets');
    for (const member of given) {
      if (!areStarts(member)) {
        const { name } = member;
        const view = values[name] as View;
        const extent = member.extent ?? operations.get(problem.op.name)?.out;
        this.operands.push({
          name,
          bytes: bytesOf(view),
          size: sizeOf(view),
          extent: this.plainExtent(extent as Extent),
          written: problem.op.writes.includes(name),
          kept: name === 'out' && isSummed(problem),
          starts: startsOf(lists.get(extent as Extent)),
        });
      }
    }
    this.rowBytes = this.operands.reduce(
      (sum, { bytes, size, extent, starts }) =>
        sum + (starts === undefined ? size * this.perRow(extent) : bytes.length / this.rows),
      16,
    );
  }

  /** Without what depends on flags. */
  private plainExtent(extent: Extent): Extent {
    const { problem } = this;
    if (extent === 'mask') return problem.whereShared ? 'classes' : 'elements';
    if (extent === 'words') return problem.bitmaskShared ? 'classes' : 'words';
    if (extent === 'normalizers')
      return (problem as { logNormalizerShared?: boolean }).logNormalizerShared ? 'classes' : 'rows';
    if (extent === 'given') return (problem as { classesShared?: boolean }).classesShared ? 'classes' : 'k';
    if (extent === 'losses' && isSummed(problem)) return 'classes';
    if (extent === 'losses') return (problem as { each?: boolean }).each ? 'elements' : 'rows';
    return extent === 'results' ? (this.instance.operations.get(problem.op.name)?.out as Extent) : extent;
  }

  /** Elements of an array that a row has to itself. */
  private perRow(extent: Extent): number {
    const { length, k, count } = this.problem as Problem & { k?: number; count?: number };
    if (extent === 'elements') return length;
    if (extent === 'k') return k ?? 0;
    if (extent === 'words') return Math.ceil(length / 32);
    if (extent === 'settings') return SETTINGS.perRow;
    return extent === 'count' ? (count ?? 0) : extent === 'rows' ? 1 : 0;
  }

  /** As many rows at a time as stay near; rows along other axes than the last as whole slabs, or as strips of one. */
  *[Symbol.iterator](): Generator<Part> {
    const { rows, offsets } = this;
    const { inner } = this.problem;
    // A strip is copied class by class: fewer and longer pieces.
    const fitting = Math.max(1, Math.floor((inner > 1 ? 4 * partBytes : partBytes) / this.rowBytes));
    for (let first = 0; first < rows; ) {
      let end = Math.min(rows, first + fitting);
      if (offsets !== undefined && this.rowBytes <= longestBytes) {
        // Ragged rows are shorter than the longest.
        const elements = Math.max(1, fitting * this.problem.length);
        while (end < rows && offsets[end + 1] - offsets[first] <= elements && end - first < elements) end++;
      }
      if (inner > 1) {
        const at = first % inner;
        end = at === 0 && fitting >= inner ? end - (end % inner) : Math.min(end, first - at + inner);
      }
      yield { first, end };
      first = end;
    }
  }

  /** Where a row lies in x: its first element, and how many classes it has. */
  place(row: number): { readonly first: number; readonly length: number } {
    const { offsets } = this;
    const { inner, length } = this.problem;
    if (offsets !== undefined) return { first: offsets[row], length: offsets[row + 1] - offsets[row] };
    return { first: Math.floor(row / inner) * length * inner + (row % inner), length };
  }

  /** What a part takes in the memory of the module. */
  bytesOf({ first, end }: Part): number {
    const { offsets, problem } = this;
    if (offsets === undefined) return (end - first) * this.rowBytes;
    return ((offsets[end] - offsets[first]) / Math.max(1, problem.length)) * this.rowBytes;
  }

  /** Whether the module has room for all that it has to know of the classes that bias, history and prompt of a row change. */
  changesFit({ first, end }: Part): boolean {
    // The values of a bias have their classes' room.
    const changing = this.operands.filter(({ name, extent }) => lists.has(extent) && name !== 'biasValues');
    if (changing.length === 0) return true;
    let most = 0;
    for (let row = first; row < end; row++) {
      let entries = 0;
      for (const { bytes, size, starts } of changing)
        entries += starts === undefined ? bytes.length / size : starts[row + 1] - starts[row];
      most = Math.max(most, entries);
    }
    return this.instance.changesFit(this.problem.length, most) !== 0;
  }

  /** Copies a part in, has it solved, and copies its results out. */
  solve(part: Part): void {
    const { instance } = this;
    const copies = this.copyIn(part);
    instance.solve();
    const bytes = instance.bytes();
    for (const { operand, at } of copies) if (operand.written) this.copy(operand, part, bytes, at, false);
  }

  /** Copies a part in and writes it down as a problem of its own. */
  private copyIn({ first, end }: Part): { operand: Operand; at: number }[] {
    const { instance, problem, offsets } = this;
    const rows = end - first;
    const slabs = problem.inner === 1 || rows % problem.inner === 0;
    const outer = problem.inner === 1 ? rows : slabs ? rows / problem.inner : 1;
    const inner = problem.inner === 1 ? 1 : slabs ? problem.inner : rows;
    const from = offsets?.[first] ?? 0;
    const elements = offsets === undefined ? rows * problem.length : offsets[end] - from;
    const copies: { operand: Operand; at: number }[] = [];
    let at = instance.heapEnd();
    const place = (bytes: number, byteOffset: number): number => {
      const here = apartInPage(at, byteOffset);
      at = Math.ceil((here + bytes) / 64) * 64 + 64;
      return here;
    };
    for (const operand of this.operands) {
      const { bytes, size } = operand;
      const [start, count] = this.spanOf(operand, { first, end });
      copies.push({ operand, at: place(count * size, bytes.byteOffset + start * size) });
    }
    const startsAt = this.bounds.map(() => place((rows + 1) * 4, 0));
    instance.reserve(at - instance.heapEnd());
    const bytes = instance.bytes();
    for (const { operand, at } of copies)
      if (!operand.written || operand.kept) this.copy(operand, { first, end }, bytes, at, true);
    const view = instance.view();
    const { posed } = this;
    this.bounds.forEach(({ name, starts }, i) => {
      for (let r = 0; r <= rows; r++)
        view.setUint32(startsAt[i] + 4 * r, starts[first + r] - starts[first], true);
      posed.set(name, startsAt[i]);
    });
    this.boundLengths(copies, rows, view);
    posed.set('outer', outer);
    posed.set('inner', inner);
    posed.set('elements', elements);
    posed.set('firstRow', first);
    for (const { operand, at } of copies) {
      posed.set(operand.name, at);
      if (lists.has(operand.extent)) posed.set(operand.extent, this.spanOf(operand, { first, end })[1]);
    }
    posed.pose();
    return copies;
  }

  /** Lengths in shared memory may have been written to since they were looked at. */
  private boundLengths(copies: { operand: Operand; at: number }[], rows: number, view: DataView): void {
    const lengths = copies.find(({ operand }) => operand.name === 'lengths');
    if (lengths === undefined) return;
    for (let at = lengths.at; at < lengths.at + 4 * rows; at += 4)
      view.setUint32(at, Math.min(view.getUint32(at, true), this.problem.length), true);
  }

  /** Where an array begins to have what the rows of a part ask of it, and how many elements that are. */
  private spanOf({ bytes, size, extent, starts }: Operand, { first, end }: Part): [number, number] {
    const { offsets } = this;
    if (starts !== undefined) return [starts[first], starts[end] - starts[first]];
    if (extent === 'classes' || lists.has(extent)) return [0, bytes.length / size];
    if (extent === 'elements' && offsets !== undefined)
      return [offsets[first], offsets[end] - offsets[first]];
    const per = this.perRow(extent);
    return [first * per, (end - first) * per];
  }

  /** Copies what an array has for the rows of a part, in or out. */
  private copy(operand: Operand, part: Part, memory: Uint8Array, at: number, into: boolean): void {
    const { bytes, size, extent } = operand;
    const move = (start: number, count: number, to: number) => {
      const from = start * size;
      if (into) memory.set(bytes.subarray(from, from + count * size), to);
      else bytes.set(memory.subarray(to, to + count * size), from);
    };
    const { inner } = this.problem;
    const { first, end } = part;
    const strip = end - first;
    if (inner === 1 || extent === 'classes' || byRow.has(extent) || strip % inner === 0)
      move(...this.spanOf(operand, part), at);
    else {
      const per = this.perRow(extent);
      // A strip of neighbouring columns.
      const start = Math.floor(first / inner) * per * inner + (first % inner);
      for (let c = 0; c < per; c++) move(start + c * inner, strip, at + c * strip * size);
    }
  }
}
