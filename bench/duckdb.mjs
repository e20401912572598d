/**
 * What `simd-softmax/duckdb` takes beside SQL alone: `npm run bench:duckdb`. Both are asked for the same number first.
 * Seconds of the processor, of all threads, so that others on the machine count little; the least of five rounds.
 */
import { DuckDBInstance } from '@duckdb/node-api';
import { register } from '../dist/duckdb.js';

const connection = await (await DuckDBInstance.create()).connect();
await register(connection);

const terms =
  'SELECT m, list_transform(x, lambda v: exp(v - m)) AS e FROM (SELECT x, list_max(x) AS m FROM t)';
const pairs = {
  softmax: [
    'SELECT sum(p[1]) FROM (SELECT softmax(x) AS p FROM t)',
    `SELECT sum(p[1]) FROM (SELECT list_transform(e, lambda v: v / s) AS p FROM (SELECT e, list_sum(e) AS s FROM (${terms})))`,
  ],
  log_sum_exp: ['SELECT sum(log_sum_exp(x)) FROM t', `SELECT sum(m + ln(list_sum(e))) FROM (${terms})`],
  log_prob: [
    'SELECT sum(log_prob(x, 1)) FROM t',
    `SELECT sum(x[2] - m - ln(list_sum(e))) FROM (SELECT x, m, list_transform(x, lambda v: exp(v - m)) AS e FROM (SELECT x, list_max(x) AS m FROM t))`,
  ],
  'top_k, 1: the class alone': [
    'SELECT sum(top_k(x, 1)[1].class) FROM t',
    'SELECT sum(list_position(x, list_max(x)) - 1) FROM t',
  ],
  'top_k, 3: the classes alone': [
    'SELECT sum(list_sum(list_transform(top_k(x, least(3, len(x))), lambda s: s.class))) FROM t',
    "SELECT sum(list_sum(list_grade_up(x, 'DESC')[1:3]) - least(3, len(x))) FROM t",
  ],
};

async function timed(sql) {
  const before = process.cpuUsage();
  const [[value]] = (await connection.runAndReadAll(sql)).getRowsJS();
  const { user, system } = process.cpuUsage(before);
  return { value: Number(value), ms: (user + system) / 1000 };
}

const least = (values) => Math.min(...values);

console.log('| rows × classes | | with the function, ms | SQL alone, ms | |\n|---|---|---|---|---|');
for (const [rows, classes] of [
  [500_000, 2],
  [200_000, 10],
  [50_000, 100],
  [10_000, 1000],
]) {
  await connection.run(
    `CREATE OR REPLACE TABLE t AS SELECT list_transform(range(${classes}), lambda j: sin(i * ${classes} + j) * 8)::FLOAT[] AS x FROM range(${rows}) r(i)`,
  );
  for (const [name, both] of Object.entries(pairs)) {
    const values = [];
    for (const sql of both) values.push((await timed(sql)).value);
    if (Math.abs(values[0] - values[1]) > 1e-3 * Math.abs(values[1])) throw new Error(`${name}: ${values}`);
    const times = [[], []];
    for (let round = 0; round < 5; round++) {
      for (const i of round % 2 ? [1, 0] : [0, 1]) times[i].push((await timed(both[i])).ms);
    }
    const [ours, sql] = times.map(least);
    console.log(
      `| ${rows} × ${classes} | ${name} | ${ours.toFixed(0)} | ${sql.toFixed(0)} | ${(sql / ours).toFixed(1)} |`,
    );
  }
}
