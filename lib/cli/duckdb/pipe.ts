/** Where a text can be cut: behind its last whole record. */
import type { Format } from '../formats.js';

const NEWLINE = 10;
const QUOTE = 34;

/** How many bytes the whole records have; 0 where there is none. */
export function cutsOf(format: Format, bytes: Uint8Array): number {
  let end = bytes.lastIndexOf(NEWLINE) + 1;
  if (format !== 'csv' && format !== 'tsv') return end;
  // A line break inside quotes ends no record: so many quotes stand before it as it takes to be inside.
  let quotes = 0;
  for (let at = bytes.indexOf(QUOTE); at >= 0 && at < end; at = bytes.indexOf(QUOTE, at + 1)) quotes++;
  while (quotes % 2 === 1 && end > 0) {
    const before = bytes.lastIndexOf(NEWLINE, end - 2) + 1;
    for (let at = bytes.indexOf(QUOTE, before); at >= 0 && at < end; at = bytes.indexOf(QUOTE, at + 1))
      quotes--;
    end = before;
  }
  return end;
}
