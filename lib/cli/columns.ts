/** What the columns of the best classes are called: by longer names where the input has the short ones. */
export function labelled(
  fields: readonly { readonly name: string }[],
  labels: readonly string[] | undefined,
) {
  const taken = new Set(fields.map(({ name }) => name));
  const free = (name: string): string => (taken.has(name) ? free(`predicted_${name}`) : name);
  return { label: free(labels ? 'label' : 'class'), score: free('score') };
}
