/** A look into a text before it is scored: one with holes, or binary, can keep its reader busy for hours. */
import { readSync } from 'node:fs';
import { expected } from '../failure.js';
import { compressionByName, inputFormat, isText } from '../formats.js';
import type { FileScoreJob } from '../job.js';
import { openToRead } from '../root.js';

const PLACES = 16;
const PIECE = 1 << 14;

/** @throws Failure where a byte that no text has lies at one of some places all over the file. */
export async function refuseHoles({ input, format }: FileScoreJob): Promise<void> {
  if (!isText(await inputFormat(format, input)) || compressionByName(input)) return;
  const file = await openToRead(input);
  try {
    const { fd } = file;
    const { size } = file.stats;
    const start = new Uint8Array(2);
    readSync(fd, start, 0, 2, 0);
    // gzip and zstd by their first bytes.
    if ((start[0] === 0x1f && start[1] === 0x8b) || (start[0] === 0x28 && start[1] === 0xb5)) return;
    const piece = new Uint8Array(PIECE);
    for (let i = 0; i < PLACES; i++) {
      const at = Math.floor((Math.max(0, size - PIECE) / (PLACES - 1)) * i);
      const bytesRead = readSync(fd, piece, 0, PIECE, at);
      const hole = piece.subarray(0, bytesRead).indexOf(0);
      if (hole >= 0) throw expected('text', input, `a byte 0 at ${at + hole}`);
    }
  } finally {
    file.close();
  }
}
