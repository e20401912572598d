/** As much of vitest as the contract suite uses, for a page: tests are collected here, and page.mjs runs them. */
import { chai, JestAsymmetricMatchers, JestChaiExpect } from '@vitest/expect';

chai.use(JestChaiExpect);
chai.use(JestAsymmetricMatchers);
export const { expect } = chai;

type Body = () => unknown;
export const tests: { readonly name: string; readonly body: Body }[] = [];
const path: string[] = [];

export function describe(name: string, collect: () => void): void {
  path.push(name);
  collect();
  path.pop();
}

export function it(name: string, body: Body): void {
  tests.push({ name: [...path, name].join(' › '), body });
}

/** `each` of vitest: calls what it stands on once for each case, with the case in the name. */
const eachBy =
  (one: (name: string, body: () => unknown) => void) =>
  (cases: readonly unknown[]) =>
  (name: string, body: (...values: never[]) => unknown): void => {
    for (const each of cases) {
      const values = (Array.isArray(each) ? each : [each]) as never[];
      let next = 0;
      const title = name
        .replace(/%\w/g, () => String(values[next++]))
        .replace(/\$(\w+)/g, (_, key: string) => String((each as { [key: string]: unknown })[key]));
      one(title, () => body(...values));
    }
  };
describe.each = eachBy(describe);
it.each = eachBy(it);

export const test = it;
export const beforeAll = (body: Body): unknown => body();
/** Summaries for a terminal. */
export const afterAll = (_body: Body): void => {};
/** Types are the compiler's business; nothing is left of them here. */
const checked = (): unknown => new Proxy(() => {}, { get: checked, apply: checked });
export const expectTypeOf = checked;
