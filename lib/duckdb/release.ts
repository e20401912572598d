/** Memory of copies, given back before the garbage collector would. */

interface Transferable extends ArrayBuffer {
  transfer(length: number): ArrayBuffer;
}

const TOGETHER = 1 << 20;

let free: ((memories: ArrayBuffer[]) => unknown) | undefined;

/**
 * Gives the memory of a copy back, at once or with that of the next ones. Left to the garbage collector, tens of MB of copies pile up, each in memory that is
 * new to the process: the system provides that page by page, which takes ten times as long as to copy.
 *
 * @param copies - What functions of `vectors` returned: each has memory of its own, and is not to be used from now on.
 */
export function release(...copies: readonly ArrayBufferView[]): void {
  free ??= newFree();
  free(copies.map(({ buffer }) => buffer as ArrayBuffer));
}

function newFree(): (memories: ArrayBuffer[]) => unknown {
  if ('transfer' in ArrayBuffer.prototype) {
    return (memories) => {
      for (const memory of memories) (memory as Transferable).transfer(0);
    };
  }
  // Node 20 has no such method. What is moved to a port that is closed is dropped: some together, as each message takes longer
  // than to copy what a chunk has.
  const { port1, port2 } = new MessageChannel();
  port2.close();
  let waiting: ArrayBuffer[] = [];
  let bytes = 0;
  return (memories) => {
    for (const memory of memories) bytes += memory.byteLength;
    waiting.push(...memories);
    if (bytes < TOGETHER) return;
    port1.postMessage(undefined, waiting);
    waiting = [];
    bytes = 0;
  };
}
