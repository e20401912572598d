/** What the columns of the best classes are called: by longer names where the input has the short ones. */
export function labelled(fields: Named, labels: readonly string[] | undefined) {
  return { label: freeName(fields, labels ? 'label' : 'class'), score: freeName(fields, 'score') };
}

type Named = readonly { readonly name: string }[];

/** A name of the scores that no column of the input has already. */
export function freeName(fields: Named, name: string): string {
  return fields.some((field) => field.name === name) ? freeName(fields, `predicted_${name}`) : name;
}

/** Names, those of many columns shortened. */
export function listOf(what: string, names: readonly string[]): string {
  const shown = names.length > 8 ? [...names.slice(0, 4), '…', names[names.length - 1]] : names;
  return `${what}${names.length === 1 ? '' : 's'} ${shown.map((name) => (name === '' ? '""' : name)).join(', ')}`;
}
