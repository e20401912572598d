/**
 * What the declaration of an operation says. Everything else follows from it, once for all of them: known options and
 * their refusal, calls and promises (lib/calls/plan.ts), prepared calls (lib/prepare.ts), copies of calls in flight
 * (lib/backends/asyncCopies.ts) and what is handed to C++ (lib/backends/native/header.ts).
 */
import { reducedType } from '../arguments/elements.js';
import { type Extent, likeX, type Memory, perRow } from '../arguments/extents.js';
import { type Form, handBack } from '../arguments/logits.js';
import { type Request, rowOptions } from '../arguments/rowOptions.js';
import type { Backend, ElementType, OpOf, Problem } from '../backends/problem.js';

/** Reads the options and arguments of one call. */
export interface Reading {
  /** What `read` makes of the option or argument of that name, which may be undefined. */
  take<Value>(
    name: string,
    read: (value: unknown, name: string, request: Request, backend: Backend) => Value,
  ): Value;
}

/** An array that an operation writes. */
export interface Write {
  /** Its name in the problem. */
  readonly array: string;
  /** What messages call it: the option that may hold the caller's memory. */
  readonly name: string;
  /** Of its elements; of several, the caller's memory decides, else the last. */
  readonly type: ElementType | 'uint32' | readonly ('float32' | 'float64')[];
  readonly extent: Extent;
  /** The caller's memory, or undefined. */
  readonly given: unknown;
  /** The form of the result. */
  readonly form: Form;
  /** Whether it may be `x` itself, element for element. */
  readonly mayBeX: boolean;
  /** Where it is written: always, where there is memory for it (prepared calls: where its option is true), or prepared alone. */
  readonly when: 'always' | 'asked' | 'prepared';
}

/** An output of a call. */
export interface Written {
  readonly write: Write;
  readonly type: ElementType | 'uint32';
  /** The caller's memory, or what is made for the result; undefined where nobody sees it. */
  readonly data: Memory | undefined;
  /** What the backend writes: `data`, where there is nothing between them. */
  readonly memory: Memory;
}

/** In the order of `writes`; undefined for those that nobody asked for. */
export type Outputs = readonly (Written | undefined)[];

/** Makes memory for a prepared call. */
export type NewMemory = (type: ElementType | 'uint32' | 'int32', count: number) => Memory | Int32Array;

/** A problem that is being written. */
export type Draft<P> = { -readonly [name in keyof P]: P[name] };

export interface Operation<Taken extends object = object, P extends Problem = Problem> {
  readonly name: string;
  /** What backends solve for it. */
  readonly op: OpOf<P>;
  /** Which of what it takes is an argument rather than an option. */
  readonly argument?: string;
  /** What its function calls that argument, where prepared calls have another name for it. */
  readonly parameter?: string;
  /** Options that hold memory for results. */
  readonly memory: readonly string[];
  /** Whether a temperature of 0 means something. */
  readonly zeroTemperature?: boolean;
  /** What to suggest for names of options that other libraries have, in lower case and without hyphens. */
  readonly foreign?: ReadonlyMap<string, string>;
  /** What it takes besides `x` and the options of every function, in the order in which it is read. */
  takes(reading: Reading): Taken;
  writes(taken: Taken, request: Request): readonly Write[];
  /** Fills in the problem's own numbers and arrays. (A spread of so many properties takes V8 15 µs.) */
  pose(problem: Draft<P>, taken: Taken, request: Request, outputs: Outputs): void;
  /** The result, where it is not the first output. */
  result?(outputs: Outputs, taken: Taken, request: Request): unknown;
  /** Memory for the argument of a prepared call, where it may change between two runs, with what it is given to start with. It is read again by each. */
  live?(request: Request, newMemory: NewMemory, given: unknown): unknown;
  /** What a prepared call changes for its next run. */
  next?(problem: Draft<P>): void;
}

/** An operation as the rest of the library sees it. */
export interface Declared extends Operation {
  /** The names of all its options. */
  readonly options: readonly string[];
}

/**
 * Declares an operation. What it takes is asked for once, with nothing to read, to learn the names.
 */
export function declare<Taken extends object, P extends Problem>(operation: Operation<Taken, P>): Declared {
  const own: string[] = [];
  operation.takes({
    take(name) {
      if (name !== operation.argument) own.push(name);
      return undefined as never;
    },
  });
  const options = [...rowOptions, ...operation.memory, ...own];
  return { ...(operation as unknown as Operation), options };
}

/** An output in the caller's form, once it is written. */
export function resultOf(written: Written | undefined): unknown {
  const { write, type, data } = written as Written;
  return write.given ?? handBack(write.form, data as Memory, type, write.extent.dims);
}

/** The option `out` for a result of the shape of `x`. */
export function outLikeX(type: ElementType, request: Request): Write {
  return {
    array: 'out',
    name: 'out',
    type,
    extent: likeX(request, type),
    given: request.options.out,
    form: request.x.form,
    mayBeX: true,
    when: 'always',
  };
}

/** The option `out` for one value per row. */
export function outPerRow(request: Request): Write {
  return {
    array: 'out',
    name: 'out',
    type: reducedType(request.x.type),
    extent: perRow(request),
    given: request.options.out,
    form: request.x.form,
    mayBeX: false,
    when: 'always',
  };
}
