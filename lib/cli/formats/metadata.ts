/** What pandas and Hugging Face say of the columns of a file: made to fit those that are written. */

/** The columns of the scores. */
export interface Described {
  readonly content: 'all' | 'top' | 'one';
  readonly name: string;
  readonly labels?: readonly string[] | undefined;
  /** What the columns of the best are called. */
  readonly top: { readonly label: string; readonly score: string };
}

/** A column of the pandas index, or of its data. */
interface PandasColumn {
  readonly name: string | null;
  readonly field_name?: string | null;
}

/** What is said of the logits goes, and what has to be known of the scores comes: of a key of the metadata. */
export function described(key: string, value: string, kept: ReadonlySet<string>, content: Described): string {
  if (key === 'pandas') return ofPandas(value, kept);
  return key === 'huggingface' ? ofHuggingFace(value, kept, content) : value;
}

function ofPandas(text: string, kept: ReadonlySet<string>): string {
  return changed(text, (whole: { columns?: PandasColumn[] }) => ({
    ...whole,
    columns: whole.columns?.filter(({ name, field_name }) => kept.has(field_name ?? name ?? '')),
  }));
}

function ofHuggingFace(text: string, kept: ReadonlySet<string>, content: Described): string {
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
