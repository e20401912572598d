/** The types of DuckDB's bindings. */
export type Bindings = typeof import('@duckdb/node-bindings');
export type Vector = import('@duckdb/node-bindings').Vector;
export type Chunk = import('@duckdb/node-bindings').DataChunk;
export type Connection = import('@duckdb/node-bindings').Connection;
export type LogicalType = import('@duckdb/node-bindings').LogicalType;
