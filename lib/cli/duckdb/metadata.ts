/** What a Parquet file says of itself beside its data: carried over, but for what no longer holds. */
import type { Field as ArrowField } from '@uwdata/flechette';
import { described } from '../formats/metadata.js';
import { carriedSchema, engineFields, SCHEMA } from './arrow/schema.js';

export { changesOf } from './arrow/schema.js';

import type { Content } from './content.js';
import type { Engine } from './engine.js';
import type { Relation } from './relation.js';

/** What Arrow, pandas and Hugging Face say of the logits goes, and what they need to know of the scores comes. */
export function carried(
  metadata: ReadonlyMap<string, string>,
  relation: Pick<Relation, 'kept' | 'type'>,
  plain: readonly (ArrowField | undefined)[],
  content: Content,
): ReadonlyMap<string, string> {
  const names = new Set(relation.kept.map(({ name }) => name));
  const change = (key: string, value: string) => described(key, value, names, content);
  const pairs = [...metadata].map(([key, value]): [string, string | undefined] => [
    key,
    key === SCHEMA ? carriedSchema(value, relation, plain, content, change) : change(key, value),
  ]);
  return new Map(pairs.filter((pair): pair is [string, string] => pair[1] !== undefined));
}

/** The same from Parquet to Parquet. */
export async function carriedOver(
  engine: Engine,
  relation: Relation,
  content: Content,
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<string, string> | undefined> {
  const { metadata } = relation;
  if (!metadata || metadata.size === 0) return metadata;
  const plain = metadata.has(SCHEMA) ? await engineFields(engine, relation, signal) : [];
  return carried(metadata, relation, plain, content);
}
