/** Rows too long for the memory of the module: read span by span for their sum, and once more for their results. */
import type { SoftmaxProblem } from '../js/softmax.js';
import type { Steps } from '../js/steps.js';
import type { Problem } from '../problem.js';
import type { Instance } from './instance.js';
import { bytesOf, sizeOf } from './parts.js';
import { Posed } from './posed.js';

type Element = Uint8Array | Uint16Array | Uint32Array | Float64Array;

/** Whether long rows of a problem can be solved so. */
export function isSpanned(problem: Problem): boolean {
  if (problem.lengths !== undefined) return false;
  const { name } = problem.op;
  if (name === 'softmax') return (problem as SoftmaxProblem).logNormalizer === undefined;
  return name === 'logSoftmax' || name === 'logSumExp';
}

/**
 * The row of so many classes whose first one is element `first` of x, in steps. Other calls use the memory of the module
 * between two of them, so what is known of the spans is kept here.
 */
export function* solveSpans(
  instance: Instance,
  problem: Problem,
  row: number,
  { first, length }: { readonly first: number; readonly length: number },
): Steps {
  const { inner, where, whereShared, bitmask, bitmaskShared } = problem;
  const spanLength = instance.spanLength();
  const spans = Math.ceil(length / spanLength);
  const measures = new Uint8Array(spans * instance.measureSize());
  const measuresAt = instance.heapEnd();
  const xAt = measuresAt + Math.ceil(measures.length / 64) * 64;
  const outAt = xAt + spanLength * 8;
  const whereAt = outAt + spanLength * 8;
  const bitmaskAt = whereAt + spanLength;
  instance.reserve(bitmaskAt + spanLength / 8 - measuresAt);
  const x = elementsOf(problem.x);
  const out = elementsOf(problem.out);
  const memory = () => instance.bytes().buffer as ArrayBuffer;
  const posed = new Posed(instance, problem);
  posed.set('outer', 1);
  posed.set('inner', 1);
  posed.set('temperature', problem.temperatures?.[row] ?? problem.temperature);
  posed.set('whereShared', 0);
  posed.set('bitmaskShared', 0);
  posed.set('x', xAt);
  posed.set('out', outAt);
  if (where !== undefined) posed.set('where', whereAt);
  if (bitmask !== undefined) posed.set('bitmask', bitmaskAt);

  /** Copies a span of the row in and writes it down as a row of its own; gives its length. */
  function pose(span: number): number {
    const from = span * spanLength;
    const count = Math.min(spanLength, length - from);
    gather(x, first + from * inner, inner, new (kindOf(x))(memory(), xAt, count));
    if (where !== undefined) {
      const mask = elementsOf(where);
      const into = new Uint8Array(memory(), whereAt, count);
      if (whereShared) gather(mask, from, 1, into);
      else gather(mask, first + from * inner, inner, into);
    }
    if (bitmask !== undefined) {
      const start = (bitmaskShared ? 0 : row * Math.ceil(length / 32)) + from / 32;
      new Uint32Array(memory(), bitmaskAt).set(bitmask.subarray(start, start + Math.ceil(count / 32)));
    }
    posed.set('length', count);
    posed.set('elements', count);
    posed.pose();
    return count;
  }

  /** Whether the spans are to be measured again, under the shift of the whole row. */
  function combine(): boolean {
    instance.bytes().set(measures, measuresAt);
    return instance.combine(measuresAt, spans) !== 0;
  }

  function measure(span: number, again: boolean): void {
    if (again) combine();
    pose(span);
    instance.measure(measuresAt, span, Number(again));
    const [start, end] = [span, span + 1].map((at) => at * instance.measureSize());
    measured.set(instance.bytes().subarray(measuresAt + start, measuresAt + end), start);
  }

  // Measured again under one and the same maximum: that of the first time.
  let measured = measures;
  for (let span = 0; span < spans; span++) {
    measure(span, false);
    yield;
  }
  if (combine()) {
    measured = new Uint8Array(measures.length);
    for (let span = 0; span < spans; span++) {
      measure(span, true);
      yield;
    }
    measures.set(measured);
  }
  if (problem.op.name === 'logSumExp') {
    combine();
    pose(0);
    instance.emit();
    out[row] = new (kindOf(out))(memory(), outAt, 1)[0];
    return;
  }
  for (let span = 0; span < spans; span++) {
    combine();
    const count = pose(span);
    instance.emit();
    scatter(new (kindOf(out))(memory(), outAt, count), out, first + span * spanLength * inner, inner);
    yield;
  }
}

/** As numbers of their size, whatever they mean. */
function elementsOf(view: Problem['x'] | Problem['out'] | Uint8Array): Element {
  const { buffer, byteOffset, byteLength } = bytesOf(view);
  const size = sizeOf(view);
  const Kind = size === 8 ? Float64Array : size === 4 ? Uint32Array : size === 2 ? Uint16Array : Uint8Array;
  return new Kind(buffer as ArrayBuffer, byteOffset, byteLength / size);
}

function kindOf(elements: Element): new (buffer: ArrayBuffer, offset: number, length: number) => Element {
  return elements.constructor as new (
    buffer: ArrayBufferLike,
    offset: number,
    length: number,
  ) => Element;
}

function scatter(from: Element, to: Element, at: number, step: number): void {
  if (step === 1) to.set(from as never, at);
  else for (let i = 0; i < from.length; i++, at += step) to[at] = from[i];
}

function gather(from: Element, at: number, step: number, to: Element): void {
  if (step === 1) to.set(from.subarray(at, at + to.length) as never);
  else for (let i = 0; i < to.length; i++, at += step) to[i] = from[at];
}
