/** DuckDB's C interface, as Node sees it. The package does not bring it along: it comes with `@duckdb/node-api`. */
import { createRequire } from 'node:module';
import type duckdb from '@duckdb/node-bindings';

export type DuckDBBinding = typeof duckdb;
export type Vector = duckdb.Vector;
export type DataChunk = duckdb.DataChunk;
export type ScalarFunctionInfo = duckdb.ScalarFunctionInfo;

/**
 * The binding that `@duckdb/node-api` itself uses, whose handles a connection of it holds.
 *
 * @throws what `require` throws where `@duckdb/node-api` is not installed (code MODULE_NOT_FOUND).
 */
export function loadBinding(): DuckDBBinding {
  const api = createRequire(import.meta.url).resolve('@duckdb/node-api');
  // Package managers that keep dependencies apart show it to node-api alone.
  return createRequire(api)('@duckdb/node-bindings') as DuckDBBinding;
}
