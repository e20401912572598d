/**
 * Softmax and its family as functions of SQL, in a DuckDB connection of `@duckdb/node-api` (an optional peer).
 *
 * @module simd-softmax/duckdb
 */
import type { DuckDBConnection, DuckDBType } from '@duckdb/node-api';
import { loadBinding } from './duckdb/binding.js';
import { solveChunk } from './duckdb/chunk.js';
import { ARGUMENTS, FUNCTIONS, type SqlFunction } from './duckdb/functions.js';
import type { FloatType } from './duckdb/vectors.js';

/** What functions of one's own read and write: the vectors of the bindings below `@duckdb/node-api`, by copies. */
export * as vectors from './duckdb/vectors.js';

/**
 * Gives a connection, and all others of its instance, the functions softmax, log_softmax, log_sum_exp,
 * softmax_entropy, sigmoid, log_sigmoid, log_prob, top_k and sample over FLOAT[], DOUBLE[] and FLOAT[n]. `docs/duckdb.md` has their arguments and results.
 *
 * @param connection - No stream of it may be open, and a transaction of it is to be committed.
 * @throws TypeError for anything but a connection; Error where `@duckdb/node-api` is not installed, or where DuckDB did
 * not keep the functions.
 *
 * @example
 * ```ts
 * const connection = await (await DuckDBInstance.create()).connect();
 * await register(connection);
 * await connection.runAndReadAll("SELECT id, top_k(logits, 3) FROM 'logits.parquet'");
 * ```
 */
export async function register(connection: DuckDBConnection): Promise<void> {
  if (typeof connection?.registerScalarFunction !== 'function') {
    throw Object.assign(
      new TypeError(`Expected a DuckDBConnection for connection but received ${typeof connection}`),
      { code: 'ERR_INVALID_ARG_TYPE' },
    );
  }
  const duckdb = loadBinding();
  const { DuckDBScalarFunction, LIST, STRUCT, FLOAT, DOUBLE, HUGEINT, UINTEGER } = await import(
    '@duckdb/node-api'
  );
  const types = { DOUBLE, HUGEINT };
  const floats = { float32: FLOAT, float64: DOUBLE };

  function resultOf({ result }: SqlFunction, type: FloatType): DuckDBType {
    switch (result) {
      case 'list':
        return LIST(floats[type]);
      case 'number':
        return floats[type];
      case 'class':
        return UINTEGER;
      case 'likeliest':
        return LIST(STRUCT({ class: UINTEGER, probability: floats[type] }));
    }
  }

  for (const declared of FUNCTIONS) {
    for (const type of ['float32', 'float64'] as const) {
      for (let count = declared.required; count <= declared.arguments.length; count++) {
        const names = declared.arguments.slice(0, count);
        const added = new DuckDBScalarFunction();
        added.setName(declared.name);
        for (const parameter of [LIST(floats[type]), ...names.map((name) => types[ARGUMENTS[name].type])]) {
          added.addParameter(parameter);
        }
        added.setReturnType(resultOf(declared, type));
        // Without this a constant NULL would not come here, and others would.
        added.setSpecialHandling();
        if (declared.volatile) added.setVolatile();
        duckdb.scalar_function_set_function(added.scalar_function, (_info, input, output) =>
          solveChunk(duckdb, declared, type, names, input, output),
        );
        connection.registerScalarFunction(added);
      }
    }
  }

  // With a stream open DuckDB forgets them again, and says nothing.
  const { name } = FUNCTIONS[0];
  const known = await connection.runAndReadAll(
    `SELECT 1 FROM duckdb_functions() WHERE function_name = '${name}' LIMIT 1`,
  );
  if (known.currentRowCount === 0) {
    throw new Error(
      'Expected a connection without an open stream for register but received one (it has ended; read a stream to its end first, or register on another connection of the instance)',
    );
  }
}
