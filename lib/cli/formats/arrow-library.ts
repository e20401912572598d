import { createRequire } from 'node:module';
import { needPeer } from '../peers.js';

/** What of apache-arrow the formats use: its types, and the parts of its IPC that do not buffer. */
export type Arrow = Awaited<ReturnType<typeof load>>;

export function loadArrow(): Promise<Arrow> {
  return needPeer(['apache-arrow'], 'Arrow', load);
}

/**
 * The modules that are used, not the whole library, and as CommonJS, of which Node loads so many in two thirds of the
 * time.
 */
async function load() {
  const require = createRequire(import.meta.url);
  const { VectorLoader } =
    require('apache-arrow/visitor/vectorloader') as typeof import('apache-arrow/visitor/vectorloader');
  const { VectorAssembler } =
    require('apache-arrow/visitor/vectorassembler') as typeof import('apache-arrow/visitor/vectorassembler');
  const metadata =
    require('apache-arrow/ipc/metadata/message') as typeof import('apache-arrow/ipc/metadata/message');
  const { Footer, FileBlock } =
    require('apache-arrow/ipc/metadata/file') as typeof import('apache-arrow/ipc/metadata/file');
  return {
    ...(require('apache-arrow/enum') as typeof import('apache-arrow/enum')),
    ...(require('apache-arrow/type') as typeof import('apache-arrow/type')),
    ...(require('apache-arrow/schema') as typeof import('apache-arrow/schema')),
    ...(require('apache-arrow/data') as typeof import('apache-arrow/data')),
    ...(require('apache-arrow/vector') as typeof import('apache-arrow/vector')),
    ...(require('apache-arrow/factories') as typeof import('apache-arrow/factories')),
    ...{ VectorLoader, VectorAssembler, Message: metadata.Message, metadata, Footer, FileBlock },
  };
}
