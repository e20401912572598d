import { stripVTControlCharacters } from 'node:util';
import { expected, systemFailure } from './failure.js';
import { openInput } from './input.js';
import { readNpy } from './npy.js';
import { openToRead } from './root.js';

/** One class name per line, as many as there are classes, if that is known. */
export async function readLabels(path: string, classes: number | undefined): Promise<string[]> {
  let text: string;
  try {
    const file = await openToRead(path);
    text = await file.readFile('utf8').finally(() => file.close());
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

/** The true class of each row. */
export async function readTruth(
  path: string,
  rows: number | undefined,
  classes: number,
): Promise<Float64Array> {
  const source = await openInput(path);
  const { data, shape } = await readNpy<ArrayLike<number | bigint> & { BYTES_PER_ELEMENT: number }>(
    source,
    {
      '|i1': Int8Array,
      '|u1': Uint8Array,
      '<i2': Int16Array,
      '<u2': Uint16Array,
      '<i4': Int32Array,
      '<u4': Uint32Array,
      '<i8': BigInt64Array,
      '<u8': BigUint64Array,
    },
    'integers',
  ).finally(() => source.close());
  if (rows !== undefined && data.length !== rows)
    throw expected(`${rows} class numbers, one per row,`, path, data.length);
  const truth = Float64Array.from(data, Number);
  const wrong = truth.findIndex((label) => label < 0 || label >= classes);
  if (wrong >= 0) {
    throw expected(
      `class numbers from 0 to ${classes - 1}`,
      path,
      `${truth[wrong]} at ${place(wrong, shape)}`,
    );
  }
  return truth;
}

function place(index: number, shape: readonly number[]): string {
  return shape.length > 1 ? `element ${index}` : `row ${index}`;
}
