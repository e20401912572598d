/** What a Parquet file says of itself beside its data: carried over, but for what no longer holds. */
import { carriedSchema } from './arrow-schema.js';
import type { Content } from './content.js';
import type { Relation } from './relation.js';

/** A column of the pandas index, or of its data. */
interface PandasColumn {
  readonly name: string | null;
  readonly field_name?: string | null;
}

/** What Arrow, pandas and Hugging Face say of the logits goes, and what they need to know of the scores comes. */
export function carried(
  metadata: ReadonlyMap<string, string>,
  relation: Relation,
  content: Content,
): ReadonlyMap<string, string> {
  const names = new Set(relation.kept.map(({ name }) => name));
  const change = (key: string, value: string): string => {
    if (key === 'pandas') return ofPandas(value, names);
    return key === 'huggingface' ? ofHuggingFace(value, names, content) : value;
  };
  const pairs = [...metadata].map(([key, value]): [string, string | undefined] => [
    key,
    key === 'ARROW:schema' ? carriedSchema(value, relation, content, change) : change(key, value),
  ]);
  return new Map(pairs.filter((pair): pair is [string, string] => pair[1] !== undefined));
}

function ofPandas(text: string, kept: ReadonlySet<string>): string {
  return changed(text, (whole: { columns?: PandasColumn[] }) => ({
    ...whole,
    columns: whole.columns?.filter(({ name, field_name }) => kept.has(field_name ?? name ?? '')),
  }));
}

function ofHuggingFace(text: string, kept: ReadonlySet<string>, content: Content): string {
  return changed(text, (whole: { info?: { features?: Record<string, unknown> } }) => {
    if (!whole.info?.features) return whole;
    const features = Object.fromEntries(
      Object.entries(whole.info.features).filter(([name]) => kept.has(name)),
    );
    const value = (dtype: string) => ({ dtype, _type: 'Value' });
    const list = (dtype: string) => ({ feature: value(dtype), _type: 'List' });
    const scores =
      content.content === 'one'
        ? { [content.name]: value('float32') }
        : content.content === 'all'
          ? { [content.name]: list('float32') }
          : {
              [content.top.label]: list(content.labels ? 'string' : 'uint32'),
              [content.top.score]: list('float32'),
            };
    return { ...whole, info: { ...whole.info, features: { ...features, ...scores } } };
  });
}

/** What is no JSON is left as it is. */
function changed<Whole>(text: string, change: (whole: Whole) => unknown): string {
  try {
    return JSON.stringify(change(JSON.parse(text)));
  } catch {
    return text;
  }
}
