/** A call of a function by DuckDB: some rows of its arguments in, as many results out. */
import type { DataChunk, DuckDBBinding, Vector } from './binding.js';
import {
  ARGUMENTS,
  type ArgumentName,
  type Arguments,
  type Likeliest,
  type Rows,
  type SqlFunction,
} from './functions.js';
import {
  eitherNull,
  type Floats,
  type FloatType,
  floatsOf,
  integersOf,
  type Lists,
  nullsOf,
  readLists,
  release,
  writeLists,
  writeStructLists,
  writeValues,
} from './vectors.js';

/** What the library gives where there is no class. */
const NO_CLASS = 0xffffffff;

interface Column {
  readonly name: ArgumentName;
  readonly values: Floats | readonly bigint[];
}

/** Rows that are not NULL, one after the other, with the same arguments. */
interface Piece {
  readonly values: Floats;
  readonly rows: Rows;
  readonly given: Arguments;
  /** Their numbers in the chunk. */
  readonly numbers: Int32Array;
}

/**
 * Solves the rows of a chunk, which holds the logits and the arguments of these names.
 *
 * @throws what the query is to fail with.
 */
export function solveChunk(
  duckdb: DuckDBBinding,
  declared: SqlFunction,
  type: FloatType,
  names: readonly ArgumentName[],
  input: DataChunk,
  output: Vector,
): void {
  const rows = duckdb.data_chunk_get_size(input);
  let missing: Uint8Array | undefined;
  const columns = names.map((name, i): Column => {
    const vector = duckdb.data_chunk_get_vector(input, i + 1);
    missing = eitherNull(missing, nullsOf(duckdb, vector, rows));
    const isFloat = ARGUMENTS[name].type === 'DOUBLE';
    const values = isFloat ? floatsOf(duckdb, vector, rows, 'float64') : integersOf(duckdb, vector, rows);
    return { name, values };
  });
  const x = readLists(duckdb, duckdb.data_chunk_get_vector(input, 0), rows, type, missing);
  if (x.holes) {
    throw new TypeError(
      `Expected numbers for the logits of ${declared.name} but received a list with NULL in it`,
    );
  }

  const pieces = piecesOf(x, columns);
  if (declared.result === 'list') {
    for (const piece of pieces) declared.solve(piece.values, piece.rows, piece.given);
    writeLists(duckdb, output, x, x.values);
  } else if (declared.result === 'likeliest') {
    writeLikeliest(duckdb, output, x, pieces, declared.solve);
  } else {
    const values = declared.result === 'class' ? new Uint32Array(rows) : like(x.values, rows);
    const nulls = declared.result === 'class' ? (x.nulls?.slice() ?? new Uint8Array(rows)) : x.nulls;
    for (const { values: logits, rows, given, numbers } of pieces) {
      const solved = declared.solve(logits, rows, given);
      numbers.forEach((row, i) => {
        values[row] = solved[i];
        if (declared.result === 'class' && solved[i] === NO_CLASS) nulls![row] = 1;
      });
    }
    writeValues(duckdb, output, values, nulls);
  }
  release(x.values);
}

/** The k best classes of each row; of one that is shorter, all it has. */
function writeLikeliest(
  duckdb: DuckDBBinding,
  output: Vector,
  x: Lists,
  pieces: readonly Piece[],
  solve: (x: Floats, rows: Rows, given: Arguments) => Likeliest,
): void {
  const solved = pieces.map(({ values, rows, given }) => solve(values, rows, given));
  const counts = new Int32Array(x.rows);
  pieces.forEach(({ numbers }, i) => {
    for (const row of numbers) counts[row] = Math.min(solved[i].width, x.offsets[row + 1] - x.offsets[row]);
  });
  const offsets = new Int32Array(x.rows + 1);
  for (let row = 0; row < x.rows; row++) offsets[row + 1] = offsets[row] + counts[row];

  const probabilities = like(x.values, offsets[x.rows]);
  const indices = new Uint32Array(offsets[x.rows]);
  pieces.forEach(({ numbers }, i) => {
    const { width } = solved[i];
    const start = numbers.length > 0 ? offsets[numbers[0]] : 0;
    // Mostly no row is shorter than k, and all of them lie as they are to.
    if (offsets[numbers[numbers.length - 1] + 1] - start === numbers.length * width) {
      probabilities.set(solved[i].probabilities, start);
      indices.set(solved[i].indices, start);
      return;
    }
    numbers.forEach((row, at) => {
      const end = at * width + counts[row];
      probabilities.set(solved[i].probabilities.subarray(at * width, end), offsets[row]);
      indices.set(solved[i].indices.subarray(at * width, end), offsets[row]);
    });
  });
  writeStructLists(duckdb, output, { offsets, nulls: x.nulls }, [indices, probabilities]);
}

function like(values: Floats, length: number): Floats {
  return values instanceof Float64Array ? new Float64Array(length) : new Float32Array(length);
}

function piecesOf(
  { rows, offsets, nulls, present, width, values }: Lists,
  columns: readonly Column[],
): Piece[] {
  const numbers = new Int32Array(present);
  const starts = new Int32Array(present + 1);
  for (let row = 0, i = 0; row < rows; row++) {
    if (nulls?.[row] === 1) continue;
    numbers[i] = row;
    starts[++i] = offsets[row + 1];
  }
  const pieces: Piece[] = [];
  const common = columns.filter(({ name }) => !ARGUMENTS[name].each);
  const same = (a: number, b: number) =>
    common.every(({ values }) => values[numbers[a]] === values[numbers[b]]);
  for (let from = 0, to = 1; from < present; from = to++) {
    while (to < present && same(from, to)) to++;
    const start = starts[from];
    pieces.push({
      values: values.subarray(start, starts[to]),
      rows:
        width === undefined
          ? { offsets: starts.subarray(from, to + 1).map((at) => at - start) }
          : { shape: [to - from, width] },
      given: Object.fromEntries(
        columns.map(({ name, values }) => {
          const own = () => Array.from(numbers.subarray(from, to), (row) => values[row]);
          return [name, ARGUMENTS[name].each ? own() : values[numbers[from]]];
        }),
      ),
      numbers: numbers.subarray(from, to),
    });
  }
  return pieces;
}
