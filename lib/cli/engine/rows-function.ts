/**
 * `take_rows(logits, truth, row)`: a function of SQL that gives the rows of a query to a function of JavaScript, on this
 * thread and before it returns. The engine's threads go on reading meanwhile; to fetch the rows of a query takes two to three
 * times as long. It is called with some two thousand rows at a time, in any order.
 */
import type { Chunk, Vector } from './bindings.js';
import type { Engine } from './engine.js';
import { badRows, type Lists } from './lists.js';

export interface TakenRows {
  readonly rows: number;
  readonly lists: Lists;
  /** The rows that are NULL, or have a NULL among their numbers. */
  readonly bad: ReadonlySet<number>;
  /** NaN where there is none, and where 32 bits do not hold it. */
  truth(row: number): number;
  /** That of the row in the input; NaN where it was not asked for. */
  number(row: number): number;
}

let functions = 0;

/** @returns the name of the function, of which the results mean nothing: count them. */
export function registerTakeRows(
  { bindings, connection, vectors }: Engine,
  type: 'float32' | 'float64',
  take: (taken: TakenRows) => void,
): string {
  function main(input: Chunk, _output: Vector): void {
    const rows = bindings.data_chunk_get_size(input);
    const vector = (i: number) => bindings.data_chunk_get_vector(input, i);
    const lists = vectors.readLists(bindings, vector(0), rows, type);
    take({
      ...{ rows, lists, bad: badRows(lists) },
      truth: integersOf(vector(1), rows, (low, high) => (high === low >> 31 ? low : Number.NaN)),
      number: integersOf(vector(2), rows, (low, high) => high * 2 ** 32 + (low >>> 0)),
    });
  }

  /** A column of BIGINT, by halves: a bigint for each of them takes longer than all the rest. */
  function integersOf(
    vector: Vector,
    rows: number,
    joined: (low: number, high: number) => number,
  ): (row: number) => number {
    const nulls = vectors.nullsOf(bindings, vector, rows);
    const view = vectors.dataOf(bindings, vector, rows, 8);
    return (row) =>
      nulls?.[row] === 1
        ? Number.NaN
        : joined(view.getInt32(row * 8, true), view.getInt32(row * 8 + 4, true));
  }

  const name = `take_rows_${functions++}`;
  const number = bindings.create_logical_type(
    type === 'float32' ? bindings.Type.FLOAT : bindings.Type.DOUBLE,
  );
  const bigint = bindings.create_logical_type(bindings.Type.BIGINT);
  const definition = bindings.create_scalar_function();
  bindings.scalar_function_set_name(definition, name);
  for (const parameter of [bindings.create_list_type(number), bigint, bigint]) {
    bindings.scalar_function_add_parameter(definition, parameter);
  }
  bindings.scalar_function_set_return_type(definition, bindings.create_logical_type(bindings.Type.BOOLEAN));
  bindings.scalar_function_set_special_handling(definition);
  bindings.scalar_function_set_volatile(definition);
  bindings.scalar_function_set_function(definition, (_, input, output) => main(input, output));
  bindings.register_scalar_function(connection, definition);
  return name;
}
