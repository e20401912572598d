/**
 * NumPy's archives, written as `numpy.savez` does: a zip with a .npy for each array, stored as it is.
 *
 *     probabilities.npy (of the best classes: class.npy, score.npy), then a .npy for each column beside the logits
 *
 * The first is written as it comes where its length is known; the others wait in temporary files.
 */
import { crc32 } from 'node:zlib';
import type { Layout, ScoredBatch, Writer } from '../batch.js';
import { labelled } from '../columns.js';
import { expectedUsage } from '../failure.js';
import type { WriterOptions } from '../formats.js';
import { formatNpyHeader } from '../npy-header.js';
import type { Output } from '../output.js';
import { newSpool } from '../spool.js';
import { directoryOf, localHeader, type Member } from '../zip-records.js';
import type { NativeColumn, NativeField } from './arrow/columns.js';
import { nameOf } from './arrow/names.js';
import { plainNode } from './arrow/plain.js';
import { bytesOf, refuseNoArray, shapeOf } from './npy.js';
import { arrayType } from './npz-columns.js';

interface OneArray {
  readonly name: string;
  readonly dtype: string;
  /** Undefined where a batch has what the array cannot hold. */
  bytesOf(batch: ScoredBatch): Uint8Array | undefined;
  shape(rows: number): readonly number[];
}

/** Where the bytes of an array are until the archive has them. */
interface Waiting {
  readonly array: OneArray;
  readonly spool: ReturnType<typeof newSpool>;
}

export function newNpzWriter(output: Output, options: WriterOptions): Writer {
  const { layout, skips, onNotice } = options;
  if (!output.patch) throw expectedUsage('a file', '-o of a .npz', '-');
  refuseNoArray(options, '.npz');
  const { columns, left } = columnsOf(layout);
  const [first, ...others] = [...scoresOf(options), ...columns];
  const known = layout.rows !== undefined && !skips;
  const members: Member[] = [];
  let waiting: Waiting[] = (known ? others : [first, ...others]).map((array) => ({
    array,
    spool: newSpool(),
  }));
  /** What is written now. */
  let member: Member = { name: '', crc: 0, size: 0, at: 0 };

  async function put(bytes: Uint8Array): Promise<void> {
    await output.write(bytes);
    member = { ...member, crc: crc32(bytes, member.crc), size: member.size + bytes.length };
  }

  async function open({ name, dtype, shape }: OneArray, rows: number): Promise<void> {
    member = { name: `${name}.npy`, crc: 0, size: 0, at: output.position };
    await output.write(localHeader(member));
    await put(formatNpyHeader(dtype, shape(rows)));
  }

  /** Its size and its checksum are known now. */
  async function finish(): Promise<void> {
    await output.patch?.(member.at, localHeader(member));
    members.push(member);
  }

  return {
    async begin() {
      if (known) await open(first, layout.rows ?? 0);
    },
    async write(batch) {
      if (known) await put(first.bytesOf(batch) ?? new Uint8Array(0));
      waiting = waiting.filter(({ array, spool }) => {
        const bytes = array.bytesOf(batch);
        if (bytes) spool.write(bytes);
        else {
          spool.close();
          left.push(`${array.name} (null in rows)`);
        }
        return bytes !== undefined;
      });
    },
    async end(rows) {
      if (known) await finish();
      for (const { array, spool } of waiting) {
        await open(array, rows);
        for (const piece of spool.pieces()) await put(piece);
        await finish();
      }
      await output.write(directoryOf(members, output.position));
      if (left.length > 0) onNotice?.(`not in the .npz, which holds numbers and times: ${left.join(', ')}`);
    },
    async close() {
      for (const { spool } of waiting) spool.close();
    },
  };
}

function scoresOf(options: WriterOptions): OneArray[] {
  const { layout, content, width, name } = options;
  const number = layout.type === 'float64' ? `'<f8'` : `'<f4'`;
  const names = labelled(layout.fields, undefined);
  const scores = {
    dtype: number,
    shape: (rows: number) => [...shapeOf(options, rows), ...(content === 'top' ? [width] : [])],
    bytesOf: (batch: ScoredBatch) => bytesOf(batch.scores),
  };
  if (content !== 'top') return [{ ...scores, name }];
  return [
    { ...scores, name: names.label, dtype: `'<u4'`, bytesOf: ({ indices }) => bytesOf(indices!) },
    { ...scores, name: names.score },
  ];
}

/** Those that an array can hold, and what is said of the others. */
function columnsOf({ fields }: Layout): { columns: OneArray[]; left: string[] } {
  const columns: OneArray[] = [];
  const left: string[] = [];
  for (const [i, { name: own, native }] of fields.entries()) {
    const { type } = (native as NativeField).field;
    const array = arrayType(type);
    // A member is a file for whoever unpacks the archive.
    const name = own.replace(/[\\/]/g, '_');
    if (!array) left.push(`${own} (${nameOf(type)})`);
    else if (columns.some((column) => column.name === name)) left.push(`${own} (a name that another has)`);
    else {
      columns.push({
        ...{ name, dtype: array.dtype, shape: (rows) => [rows] },
        bytesOf: ({ columns: all }) => array.bytesOf(plainNode(all[i].native as NativeColumn)),
      });
    }
  }
  return { columns, left };
}
