/** Files as DuckDB itself reads and writes them, for tests of what the command line does with it. */
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';

export interface DuckDB {
  run(sql: string): Promise<void>;
  /** The rows as objects of JavaScript values. */
  rows(sql: string): Promise<Record<string, unknown>[]>;
  /** The rows as arrays of text. */
  arrays(sql: string): Promise<string[][]>;
}

export function newDuckDB(): DuckDB {
  let opened: Promise<DuckDBConnection> | undefined;
  const connection = () => {
    opened ??= DuckDBInstance.create(':memory:', { threads: '1' }).then((instance) => instance.connect());
    return opened;
  };
  return {
    async run(sql) {
      await (await connection()).run(sql);
    },
    async rows(sql) {
      const reader = await (await connection()).runAndReadAll(sql);
      return reader.getRowObjectsJS() as Record<string, unknown>[];
    },
    async arrays(sql) {
      const reader = await (await connection()).runAndReadAll(sql);
      return reader.getRowsJS().map((row) => row.map((cell) => (cell === null ? '' : String(cell))));
    },
  };
}
