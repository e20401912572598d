/**
 * `take_rows(logits, truth, row)`: a function of SQL that gives the rows of a query to a function of JavaScript, on this
 * thread and before it returns. The engine's threads go on reading meanwhile; to fetch the rows of a query takes two to three
 * times as long. It is called with some two thousand rows at a time, in any order.
 */
import type { Chunk, Vector } from './bindings.js';
import type { Engine } from './engine.js';
import { badRows, type Lists } from './lists.js';

/** What is taken is gone when `take` returns. */
export interface TakenRows {
  readonly rows: number;
  readonly lists: Lists;
  /** The rows that are NULL, or have a NULL among their numbers. */
  readonly bad: ReadonlySet<number>;
  /** The true class of each row; undefined where they were not asked for. */
  readonly truths: Int32Array | undefined;
  /** 1 where there is none; undefined where all have one. */
  readonly untrue: Uint8Array | undefined;
  /** The number of each row in the input; undefined where they were not asked for. */
  readonly numbers: Float64Array | undefined;
}

let functions = 0;

/** @returns the name of the function, of which the results mean nothing: count them. */
export function registerTakeRows(
  { bindings, connection, vectors }: Engine,
  type: 'float32' | 'float64',
  asked: { readonly truths: boolean; readonly numbers: boolean },
  take: (taken: TakenRows) => void,
): string {
  function main(input: Chunk, _output: Vector): void {
    const rows = bindings.data_chunk_get_size(input);
    const vector = (i: number) => bindings.data_chunk_get_vector(input, i);
    const lists = vectors.readLists(bindings, vector(0), rows, type);
    const truths = asked.truths ? vectors.int32sOf(bindings, vector(1), rows) : undefined;
    const untrue = asked.truths ? vectors.nullsOf(bindings, vector(1), rows) : undefined;
    const numbers = asked.numbers ? numbersOf(vector(2), rows) : undefined;
    take({ rows, lists, bad: badRows(lists), truths, untrue, numbers });
    if (truths) vectors.release(lists.values, truths);
    else vectors.release(lists.values);
  }

  /** A column of BIGINT, by halves: a bigint for each of them takes longer than all the rest. */
  function numbersOf(vector: Vector, rows: number): Float64Array {
    const view = vectors.dataOf(bindings, vector, rows, 8);
    const values = new Float64Array(rows);
    for (let row = 0; row < rows; row++) {
      values[row] = view.getInt32(row * 8 + 4, true) * 2 ** 32 + view.getUint32(row * 8, true);
    }
    vectors.release(view);
    return values;
  }

  const name = `take_rows_${functions++}`;
  const number = bindings.create_logical_type(
    type === 'float32' ? bindings.Type.FLOAT : bindings.Type.DOUBLE,
  );
  const integer = bindings.create_logical_type(bindings.Type.INTEGER);
  const bigint = bindings.create_logical_type(bindings.Type.BIGINT);
  const definition = bindings.create_scalar_function();
  bindings.scalar_function_set_name(definition, name);
  for (const parameter of [bindings.create_list_type(number), integer, bigint]) {
    bindings.scalar_function_add_parameter(definition, parameter);
  }
  bindings.scalar_function_set_return_type(definition, bindings.create_logical_type(bindings.Type.BOOLEAN));
  bindings.scalar_function_set_special_handling(definition);
  bindings.scalar_function_set_volatile(definition);
  bindings.scalar_function_set_function(definition, (_, input, output) => main(input, output));
  bindings.register_scalar_function(connection, definition);
  return name;
}
