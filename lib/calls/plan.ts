/** From arguments to a call that is ready to run: the arguments are known to be good, the memory is there. */
import { newData, newIndices } from '../arguments/elements.js';
import type { Memory } from '../arguments/extents.js';
import { permute, product } from '../arguments/layout.js';
import { type Optioned, type Options, readFlag, readOptions } from '../arguments/options.js';
import { readOutput, readPlainOutput, refuseOverlap, refusePartialOverlap } from '../arguments/outputs.js';
import { type Request, readRows } from '../arguments/rowOptions.js';
import { refuseLost } from '../backends/asyncCopies.js';
import { boundThreads, chooseBackend } from '../backends/backend.js';
import type { Backend, ElementType, Problem } from '../backends/problem.js';
import {
  type Declared,
  type Draft,
  type NewMemory,
  type Outputs,
  type Reading,
  resultOf,
  type Write,
  type Written,
} from '../ops/operation.js';

export interface Plan {
  readonly backend: Backend;
  readonly problem: Problem;
  /** Hands back the result in the caller's form, once the problem is solved. */
  finish(): unknown;
}

/** A plan that runs many times. */
export interface LastingPlan extends Plan {
  readonly outputs: Outputs;
  /** The argument that may change between two runs, where there is one. */
  readonly live: unknown;
  /** Whether every run has the same problem. */
  readonly isConstant: boolean;
  /** The problem of the next run. */
  again(): Problem;
}

/** Plans one call. */
export function plan(operation: Declared, x: unknown, argument: unknown, given: unknown): Plan {
  const options = readOptions(given, operation);
  const backend = chooseBackend(options.backend);
  const request = readRows(x, options, backend, operation.zeroTemperature);
  const { argument: argumentName, parameter = argumentName } = operation;
  const taken = operation.takes(new Asked(request, argumentName, argument, backend, parameter));
  const outputs: (Written | undefined)[] = [];
  for (const write of operation.writes(taken, request)) outputs.push(writtenByCall(write));
  for (const output of outputs) {
    if (output?.write.given !== undefined) refuseOverlaps(output, request, taken, outputs, operation);
  }
  const problem = draftOf(operation, request);
  operation.pose(problem, taken, request, outputs);
  return new OneCall(operation, request, taken, outputs, problem, backend);
}

class OneCall implements Plan {
  constructor(
    private readonly operation: Declared,
    private readonly request: Request,
    private readonly taken: object,
    private readonly outputs: Outputs,
    readonly problem: Problem,
    readonly backend: Backend,
  ) {}

  finish(): unknown {
    const { operation, request, taken, outputs } = this;
    for (const output of outputs) if (output?.write.extent.apart) settle(output);
    const result =
      operation.result === undefined ? resultOf(outputs[0]) : operation.result(outputs, taken, request);
    for (const output of outputs) output?.write.extent.apart?.release?.(output.memory);
    return result;
  }
}

/** Plans a call that runs many times, over memory of its own. */
export function planLasting(
  operation: Declared,
  x: unknown,
  argument: unknown,
  given: Options,
  newMemory: NewMemory,
): LastingPlan {
  const flags: { [name: string]: unknown } = {};
  const asked: { [name: string]: unknown } = {};
  for (const name in given) (operation.memory.includes(name) ? flags : asked)[name] = given[name];
  const options = readOptions(asked, whenPrepared(operation));
  const backend = chooseBackend(options.backend);
  const request = readRows(x, options, backend, operation.zeroTemperature);
  const live = operation.live?.(request, newMemory, argument);
  const asking = new Asked(request, operation.argument, live ?? argument, backend);
  let taken = operation.takes(asking);
  const outputs = operation
    .writes(taken, request)
    .map((write) =>
      write.when !== 'asked' || readFlag(flags[write.name], write.name)
        ? writtenTo(write, newMemory)
        : undefined,
    );
  const problem = draftOf(operation, request);
  operation.pose(problem, taken, request, outputs);
  const { order } = request.layout;
  let hasRun = false;
  let result: unknown;
  const apart = outputs.filter((output): output is Written => output?.write.extent.apart !== undefined);
  return {
    backend,
    outputs,
    live,
    problem,
    isConstant: order === undefined && live === undefined && operation.next === undefined,
    again() {
      if (order !== undefined) permute(request.x.data, problem.x, request.x.dims, order);
      if (live !== undefined) {
        taken = operation.takes(asking);
        operation.pose(problem, taken, request, outputs);
      }
      if (hasRun) operation.next?.(problem);
      hasRun = true;
      return problem;
    },
    finish() {
      for (let i = 0; i < apart.length; i++) settle(apart[i]);
      if (typeof result === 'object') return result; // the same arrays as last time
      result = operation.result?.(outputs, taken, request) ?? resultOf(outputs[0]);
      return result;
    },
  };
}

/** A prepared call takes the first values of its argument as an option. */
function whenPrepared(operation: Declared): Optioned {
  const { name, options, foreign, argument, parameter } = operation;
  if (argument === undefined) return operation;
  const other = parameter === undefined ? foreign : new Map([...(foreign ?? []), [parameter, argument]]);
  return { name, options: [...options, argument], foreign: other };
}

/** Runs a plan before it returns. */
export function solve(plan: Plan): unknown {
  refuseLost(plan.problem);
  plan.backend.run(plan.problem);
  return plan.finish();
}

/** Runs a plan without blocking the event loop. */
export async function solveAsync(plan: Plan, signal: AbortSignal | undefined): Promise<unknown> {
  await plan.backend.runAsync(plan.problem, signal);
  return plan.finish();
}

/** The problem of a call, of which only the rows are known yet. */
function draftOf({ op }: Declared, { rows }: Request): Draft<Problem> {
  const draft = rows as Draft<Problem>;
  draft.threads = boundThreads(rows.threads);
  draft.op = op;
  return draft;
}

/** Reads what was asked for. */
class Asked implements Reading {
  constructor(
    private readonly request: Request,
    private readonly argument: string | undefined,
    private readonly value: unknown,
    private readonly backend: Backend,
    private readonly parameter = argument,
  ) {}

  take<Value>(
    name: string,
    read: (value: unknown, name: string, request: Request, backend: Backend) => Value,
  ): Value {
    if (name === this.argument) return read(this.value, this.parameter ?? name, this.request, this.backend);
    return read(this.request.options[name], name, this.request, this.backend);
  }
}

function writtenByCall(write: Write): Written | undefined {
  const { name, extent, given, when } = write;
  const { dims, apart } = extent;
  if (given === undefined) {
    if (when === 'asked') return undefined;
    const type = typeOf(write);
    const data = when === 'prepared' ? undefined : newOutput(type, product(dims));
    return { write, type, data, memory: apart?.memory() ?? (data as Memory) };
  }
  const { type } = write;
  const data =
    typeof type === 'string'
      ? readOutput(given, name, type, dims)
      : readPlainOutput(given, name, type, product(dims));
  return { write, type: typeOf(write), data, memory: apart?.memory() ?? data };
}

function writtenTo(write: Write, newMemory: NewMemory): Written {
  const type = typeOf(write);
  const data = newMemory(type, product(write.extent.dims)) as Memory;
  return { write, type, data, memory: write.extent.apart?.memory() ?? data };
}

function typeOf({ type }: Write): ElementType | 'uint32' {
  return typeof type === 'string' ? type : type[type.length - 1];
}

function newOutput(type: ElementType | 'uint32', count: number): Memory {
  return type === 'uint32' ? newIndices(count) : newData(type, count);
}

/** An output of the caller's may share memory with no input and no other output. */
function refuseOverlaps(
  { write, data }: Written,
  { x, rows: { where, bitmask, lengths, offsets, temperatures } }: Request,
  taken: object,
  outputs: Outputs,
  { argument, parameter }: Declared,
): void {
  const { name } = write;
  if (write.mayBeX) refusePartialOverlap(data, name, x.data);
  else refuseOverlap(data, name, 'x', x.data);
  refuseOverlap(data, name, 'where', where);
  refuseOverlap(data, name, 'bitmask', bitmask);
  refuseOverlap(data, name, 'lengths', lengths);
  refuseOverlap(data, name, 'offsets', offsets);
  refuseOverlap(data, name, 'temperature', temperatures);
  for (const other in taken) {
    const value = taken[other as keyof typeof taken] as unknown;
    const isMade = typeof value === 'object' && value !== null && 'memory' in value;
    refuseOverlap(data, name, (other === argument && parameter) || other, isMade ? value.memory : value);
  }
  for (const other of outputs) {
    if (other?.write === write) return;
    if (other?.write.given !== undefined) refuseOverlap(data, name, other.write.name, other.data);
  }
}

function settle({ write, data, memory }: Written): void {
  if (data !== undefined) write.extent.apart?.settle(memory, data);
}
