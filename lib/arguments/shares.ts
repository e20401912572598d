/** The targets of binaryCrossEntropy: a probability for each element. */
import type { Backend, Data, ElementType } from '../backends/problem.js';
import { arrayKind, isHalf, newData, viewOf } from './elements.js';
import { rangeError, shapeError, typeError } from './errors.js';
import { type Elements, readBeside } from './logits.js';
import { arrange, type Request } from './rowOptions.js';
import { tensorParts } from './tensors.js';

export interface BinaryTargets {
  /** In the type of `x` and the layout of the problem. */
  readonly values: Data;
  /** The caller's memory, which no output may overlap. */
  readonly memory: unknown;
  /** Whether the backend looks at each where it adds up losses, and makes their sum -Infinity for one that is no target. */
  readonly areMet: boolean;
  /** Throws if one is no number from 0 to 1. */
  readonly check: () => void;
}

export function readBinaryTargets(
  value: unknown,
  name: string,
  request: Request,
  backend: Backend | undefined,
): BinaryTargets {
  const { x, layout, options } = request;
  const targets = readWholeNumbers(value, name, x) ?? readBeside(value, name, x, options.dtype);
  const agrees =
    targets.form.kind === 'array'
      ? targets.data.length === x.data.length
      : targets.dims.length === x.dims.length && targets.dims.every((dim, i) => dim === x.dims[i]);
  if (!agrees) throw shapeError(`the shape of x, [${x.dims.join(', ')}],`, name, value);
  if (targets.type !== x.type && !(targets.form.kind === 'nested' && x.type === 'float32'))
    throw typeError(`${x.type}, the type of x,`, name, value);
  const { where, bitmask, lengths } = request.rows;
  const areMet =
    backend?.areShares !== undefined && !(where || bitmask || lengths || options.offsets !== undefined);
  const data = targets.type === x.type ? targets.data : Float32Array.from(targets.data);
  const check = () => refuseImpossible(targets, name, backend);
  return { values: arrange(data, x, layout), memory: targets.data, areMet, check };
}

const integerKinds = ['Uint8Array', 'Uint16Array', 'Uint32Array', 'Int32Array', 'BigInt64Array'];

/** Integers, of which only 0 and 1 are targets, in the type of `x`; undefined for anything else. */
function readWholeNumbers(value: unknown, name: string, x: Elements): Elements | undefined {
  const parts =
    arrayKind(value) === undefined && !Array.isArray(value) ? tensorParts(value, name) : undefined;
  const array = parts === undefined ? value : parts.data;
  const kind = arrayKind(array);
  if (kind === undefined || !integerKinds.includes(kind)) return undefined;
  if (kind === 'Uint16Array' && (isHalf(x.type) || parts?.type === 'float16' || parts?.type === 'bfloat16'))
    return undefined;
  const list = viewOf<Int32Array | BigInt64Array>(array, kind, name);
  const one = ones[x.type];
  const data = newData(x.type, list.length);
  for (let i = 0; i < list.length; i++) {
    const target = Number(list[i]);
    if (target !== 0 && target !== 1) throw rangeError('a number from 0 to 1', `${name}[${i}]`, list[i]);
    if (target === 1) data[i] = one;
  }
  const form = parts === undefined ? ({ kind: 'array', float16: false } as const) : x.form;
  return { data, type: x.type, dims: parts?.dims ?? [list.length], form };
}

/** 1 as an element. */
const ones: { readonly [type in ElementType]: number } = {
  float32: 1,
  float64: 1,
  float16: 0x3c00,
  bfloat16: 0x3f80,
};

/** A backend that can look at many at once says first whether there is anything to find. */
function refuseImpossible({ data, type }: Elements, name: string, backend: Backend | undefined): void {
  if (backend?.areShares?.(data, type)) return;
  const place = isHalf(type) ? placeOfHalf(data, ones[type]) : placeOfNumber(data);
  if (place >= 0) throw rangeError('a number from 0 to 1', `${name}[${place}]`, numberOf(data[place], type));
}

/** The place of the first element that is no number from 0 to 1; -1 where there is none. */
function placeOfNumber(data: Data): number {
  for (let i = 0; i < data.length; i++) if (!(data[i] >= 0 && data[i] <= 1)) return i;
  return -1;
}

/** The same of 16-bit floats, whose bits are those of -0 or at most those of 1. */
function placeOfHalf(data: Data, one: number): number {
  for (let i = 0; i < data.length; i++) if (data[i] > one && data[i] !== 0x8000) return i;
  return -1;
}

function numberOf(value: number, type: ElementType): unknown {
  return isHalf(type) ? `the ${type} of bits 0x${value.toString(16)}` : value;
}
