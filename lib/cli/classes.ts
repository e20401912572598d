import { readFile } from 'node:fs';
import { promisify, stripVTControlCharacters } from 'node:util';
import { elementKind, openArray, readWhole } from './arrays.js';
import { expected, systemFailure } from './failure.js';
import { type Bytes, openInput } from './input.js';
import { openToRead } from './root.js';

/** One class name per line, as many as there are classes, if that is known. */
export async function readLabels(path: string, classes: number | undefined): Promise<string[]> {
  let text: string;
  try {
    const file = await openToRead(path);
    // A pipe gives them when it likes.
    text = await promisify(readFile)(file.fd, 'utf8').finally(() => file.close());
  } catch (error) {
    throw systemFailure(error, 'a readable file', path);
  }
  const labels = text
    .replace(/^\ufeff/, '')
    .replace(/\r?\n$/, '')
    .split(/\r?\n/)
    .map(printable);
  if (classes !== undefined && labels.length !== classes) {
    throw expected(`${classes} class names, one per line,`, path, labels.length);
  }
  return labels;
}

/** A name is shown on terminals: it must not move the cursor there. */
function printable(name: string): string {
  return stripVTControlCharacters(name).replace(/\p{Cc}/gu, ' ');
}

/**
 * The true class of each row.
 * @param ignoreIndex a number that stands for no class.
 */
export async function readTruth(
  path: string,
  rows: number | undefined,
  classes: number,
  ignoreIndex?: number,
): Promise<Float64Array> {
  const source = await openInput(path);
  const { data, shape } = await readIntegers(source).finally(() => source.close());
  if (rows !== undefined && data.length !== rows)
    throw expected(`${rows} class numbers, one per row,`, path, data.length);
  const truth = Float64Array.from(data, Number);
  const wrong = truth.findIndex((label) => (label < 0 || label >= classes) && label !== ignoreIndex);
  if (wrong >= 0) {
    throw expected(
      `class numbers from 0 to ${classes - 1}`,
      path,
      `${truth[wrong]} at ${place(wrong, shape)}`,
    );
  }
  return truth;
}

const INTEGERS = {
  uint: [Uint8Array, Uint16Array, Uint32Array, BigUint64Array],
  int: [Int8Array, Int16Array, Int32Array, BigInt64Array],
  bool: [Uint8Array],
} as const;

async function readIntegers(source: Bytes) {
  const array = await openArray(source);
  const element = elementKind(array.dtype);
  const arrays = element && element.kind in INTEGERS ? INTEGERS[element.kind as keyof typeof INTEGERS] : [];
  const Elements = arrays.find(({ BYTES_PER_ELEMENT }) => BYTES_PER_ELEMENT === element?.bytes);
  if (!element || !Elements) throw expected('integers', `the dtype of ${source.name}`, array.dtype);
  const { buffer } = await readWhole(array, element);
  return { data: new Elements(buffer) as ArrayLike<number | bigint>, shape: array.shape };
}

function place(index: number, shape: readonly number[]): string {
  return shape.length > 1 ? `element ${index}` : `row ${index}`;
}
