/**
 * Writes the files beside it, which Polars wrote once: `npm install --no-save nodejs-polars && node test/polars/write.mjs`.
 * Text and categories in views, lists with 64-bit offsets, buffers compressed one by one.
 */
import pl from 'nodejs-polars';

const rows = [0, 1, 2, 3, 4];
const table = pl.DataFrame([
  pl.Series('id', [...rows.slice(1).map((row) => `a long string with number ${row}`), null]),
  pl
    .Series(
      'kind',
      rows.map((row) => `a long category ${row % 2}`),
    )
    .cast(pl.Categorical),
  pl.Series('n', rows, pl.Int64),
  pl.Series(
    'logits',
    rows.map((row) => [row, 1, -row, 0.5]),
    pl.List(pl.Float32),
  ),
]);
for (const compression of ['uncompressed', 'lz4', 'zstd']) {
  table.writeIPC(new URL(`${compression}.arrow`, import.meta.url).pathname, { compression });
}
