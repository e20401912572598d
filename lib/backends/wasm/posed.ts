/** A problem as the module reads it. What all parts of it share is written down once. */
import type { Op, Problem } from '../problem.js';
import type { Instance, Member } from './instance.js';

const types = ['float32', 'float64', 'float16', 'bfloat16'];

export class Posed {
  /** The bytes of the problem in the module, from the first of its members on. */
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private readonly start: number;

  constructor(
    private readonly instance: Instance,
    problem: Problem,
  ) {
    const members = [...instance.memberOf.values()];
    this.start = Math.min(...members.map(({ at }) => at));
    const end = Math.max(...members.map(({ at }) => at + 8));
    this.bytes = instance.bytes().slice(this.start, end);
    this.view = new DataView(this.bytes.buffer);
    const values = problem as unknown as { readonly [name: string]: unknown };
    for (const member of members) {
      const { name, kind } = member;
      this.write(member, kind === 'pointer' ? 0 : this.numberOf(name, values[name]));
    }
  }

  /** A number of a part's own, or where an array of it lies. */
  set(name: string, value: number): void {
    this.write(this.instance.memberOf.get(name) as Member, value);
  }

  /** Puts it where the module looks for it: other calls may have been there since. */
  pose(): void {
    this.instance.bytes().set(this.bytes, this.start);
  }

  private write({ at, kind }: Member, value: number): void {
    if (kind === 'number') this.view.setFloat64(at - this.start, value, true);
    else if (kind === 'byte') this.view.setUint8(at - this.start, value);
    else this.view.setUint32(at - this.start, value, true);
  }

  private numberOf(name: string, value: unknown): number {
    if (typeof value === 'number') return value;
    if (name === 'op') return this.instance.operations.get((value as Op).name)?.code ?? 0;
    return typeof value === 'string' ? types.indexOf(value) : Number(value === true);
  }
}
