import { newBlocks } from '../blocks.js';
import { openReader } from '../formats/open.js';
import { openInput } from '../input.js';

const ignore = () => 'skip' as const;

/** How a .npy lies, and how many bytes of data it has: by the file itself, whatever a job says of it. */
export async function npyLayout(path: string, axis = -1) {
  const source = await openInput(path);
  try {
    const nothing = { blocks: newBlocks(0, path), blockBytes: 0, done: 0, uniform: true, onBadRow: ignore };
    const { layout } = await openReader('npy', source, { ...nothing, axis });
    return { layout, bytes: (source.size ?? 0) - source.position };
  } finally {
    await source.close();
  }
}
