import { needPeer } from '../peers.js';

/** What of apache-arrow the formats use: its types, and the parts of its IPC that do not buffer. */
export type Arrow = Awaited<ReturnType<typeof load>>;

export function loadArrow(): Promise<Arrow> {
  return needPeer(['apache-arrow'], 'Arrow', load);
}

async function load() {
  const [arrow, { VectorLoader }, { VectorAssembler }, { Message }, metadata, { Footer, FileBlock }] =
    await Promise.all([
      import('apache-arrow'),
      import('apache-arrow/visitor/vectorloader'),
      import('apache-arrow/visitor/vectorassembler'),
      import('apache-arrow/ipc/metadata/message'),
      import('apache-arrow/ipc/metadata/message'),
      import('apache-arrow/ipc/metadata/file'),
    ]);
  return { ...arrow, VectorLoader, VectorAssembler, Message, metadata, Footer, FileBlock };
}
