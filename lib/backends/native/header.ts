/**
 * How a problem is handed to the C++ side: its numbers in a header that both sides see, its arrays as arguments. Places
 * and orders are the addon's (native/call.h); here they are looked up by name, once.
 */
import type { ElementType, Problem } from '../problem.js';
import type { Addon, Arrays, Memory, OperationNames } from './binding.js';

/** What an operation takes besides its rows. */
interface Own {
  readonly code: number;
  readonly places: readonly number[];
  readonly numbers: readonly string[];
  readonly arrays: readonly string[];
}

export interface Header {
  readonly numbers: Float64Array;
  /** Where a number lies; an error where the binary has none of that name. */
  placeOf(name: string): number;
  /** Behind the numbers: where solveScratch() looks. */
  readonly scratchAt: number;
  codeOf(op: string): number;
  codeOfType(type: ElementType): number;
  /** Writes the numbers of a problem. */
  write(kernels: number, problem: Problem): void;
  /** The arrays of a problem, as arguments; none that are absent at the end. */
  arraysOf(problem: Problem): Arrays;
}

export function headerOf({ call }: Pick<Addon, 'call'>, { header }: Pick<Memory, 'header'>): Header {
  const owns: { readonly [op: string]: Own } = Object.fromEntries(
    call.operations.map((names, code) => [names.name, ownOf(names, code)]),
  );
  const codes = Object.fromEntries(call.types.map((type, code) => [type, code]));
  const kernelsAt = placeOf('kernels');
  const opAt = placeOf('op');
  const typeAt = placeOf('type');
  const outerAt = placeOf('outer');
  const lengthAt = placeOf('length');
  const innerAt = placeOf('inner');
  const elementsAt = placeOf('elements');
  const temperatureAt = placeOf('temperature');
  const threadsAt = placeOf('threads');
  const whereSharedAt = placeOf('whereShared');
  const bitmaskSharedAt = placeOf('bitmaskShared');

  function placeOf(name: string): number {
    const place = call.numbers.indexOf(name);
    if (place < 0) throw new TypeError(`Expected a place for ${name} in the header but received none`);
    return place;
  }

  function ownOf({ numbers, arrays }: OperationNames, code: number): Own {
    return { code, places: numbers.map(placeOf), numbers, arrays };
  }

  /** Types travel as their codes, flags as 0 or 1. */
  function numberOf(value: unknown): number {
    if (typeof value === 'number') return value;
    return typeof value === 'string' ? codes[value] : Number(value === true);
  }

  return {
    numbers: header,
    placeOf,
    scratchAt: call.numbers.length,
    codeOf: (op) => owns[op].code,
    codeOfType: (type) => codes[type],
    write(kernels, problem) {
      const { code, places, numbers } = owns[problem.op.name];
      header[kernelsAt] = kernels;
      header[opAt] = code;
      header[typeAt] = codes[problem.type];
      header[outerAt] = problem.outer;
      header[lengthAt] = problem.length;
      header[innerAt] = problem.inner;
      header[elementsAt] =
        problem.offsets === undefined ? problem.outer * problem.length * problem.inner : problem.x.length;
      header[temperatureAt] = problem.temperature;
      header[threadsAt] = problem.threads;
      header[whereSharedAt] = problem.whereShared === true ? 1 : 0;
      header[bitmaskSharedAt] = problem.bitmaskShared === true ? 1 : 0;
      const values = problem as unknown as { readonly [name: string]: unknown };
      for (let i = 0; i < places.length; i++) header[places[i]] = numberOf(values[numbers[i]]);
    },
    arraysOf(problem) {
      const { arrays } = owns[problem.op.name];
      const { x, out, where, lengths, offsets, temperatures, bitmask } = problem;
      const values = problem as unknown as { readonly [name: string]: Arrays[number] };
      const list: Arrays[number][] = [x, out, where, lengths, offsets, temperatures, bitmask];
      for (let i = 0; i < arrays.length; i++) list.push(values[arrays[i]]);
      while (list.length > 2 && list[list.length - 1] === undefined) list.pop();
      return list;
    },
  };
}
