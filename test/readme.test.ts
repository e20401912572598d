import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';
import packageJson from '../package.json' with { type: 'json' };

const ROOT = join(import.meta.dirname, '..');
const read = (page: string) => readFileSync(join(ROOT, page), 'utf8');
const README = read('README.md');
const PAGES = [
  'README.md',
  ...readdirSync(join(ROOT, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

interface Snippet {
  readonly place: string;
  readonly code: string;
}

function snippets(page: string, languages: readonly string[]): Snippet[] {
  const text = read(page);
  return [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)]
    .filter(([, language]) => languages.includes(language))
    .map(({ index, 2: code }) => ({ place: `${page}:${text.slice(0, index).split('\n').length}`, code }));
}

/** What the snippet prints, in this package: its own name leads a package to its own `exports`, which is dist/. */
async function output(code: string): Promise<string> {
  const { target, module } = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext };
  const { outputText } = ts.transpileModule(code, { compilerOptions: { target, module } });
  const run = promisify(execFile);
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', outputText], { cwd: ROOT });
  return stdout;
}

const promised = (code: string) => [...code.matchAll(/^\s*\/\/ → (.*)$/gm)].map(([, text]) => text);

const NUMBER = /-?\d+(?:\.\d+)?(?:e[+-]?\d+)?/g;

/** The printed text with each number cut to the digits that the promise shows in its place. */
function asPrecise(printed: string, promise: string): string {
  const shown = [...promise.matchAll(NUMBER)].map(([text]) => text);
  return printed.replace(NUMBER, (text) => {
    const digits = shown.shift()?.match(/\.(\d+)$/)?.[1].length;
    return digits === undefined ? text : Number(text).toFixed(digits);
  });
}

/** One promise may span the lines that console.log breaks a long array into. */
const oneLine = (text: string) => text.replace(/\s+/g, ' ').trim();

describe('the README and docs', () => {
  const all = PAGES.flatMap((page) => snippets(page, ['js', 'ts']));
  // Without clang `npm install` builds no modules, and says so.
  const lacksWasm = !existsSync(join(ROOT, 'dist/simd-softmax.wasm'));
  const cannotRun = ({ code }: Snippet) => lacksWasm && code.includes("'simd-softmax/wasm'");
  for (const { place } of all.filter(cannotRun))
    console.warn(`*** NOT RUN without WebAssembly (npm run build:wasm): ${place}`);
  const runnable = all.filter((snippet) => !cannotRun(snippet));
  test.concurrent.each(runnable.map(({ place, code }) => [place, code]))(
    '%s prints what it says',
    async (_, code) => {
      const promise = promised(code).join('\n');
      expect(oneLine(asPrecise(await output(code), promise))).toBe(oneLine(promise));
    },
  );

  test('have snippets, and promises in most', () => {
    expect(snippets('README.md', ['js']).length).toBeGreaterThan(2);
    expect(all.length).toBeGreaterThan(10);
    expect(all.filter(({ code }) => promised(code).length > 0).length).toBeGreaterThan(all.length / 2);
  });

  test('the README is a front page', () => {
    expect(README.split('\n').length).toBeLessThanOrEqual(201);
  });

  test.each(PAGES)('the npm scripts of %s exist', (page) => {
    for (const [, script] of read(page).matchAll(/\bnpm (?:run )?(start|test|[\w]+:[\w]+)/g))
      expect(packageJson.scripts).toHaveProperty(script);
  });

  test('the benchmark can write its part', () => {
    expect(README).toMatch(/^<!-- bench -->\n.+\n<!-- \/bench -->$/ms);
  });

  test.each([
    ['score', 'docs/files.md'],
    ['worker', 'docs/queue.md'],
  ])('list every option of the command %s, and no other, in %s', async (command, name) => {
    const page = read(name);
    const [, ...table] = page.slice(page.indexOf(`| Option of \`${command}\``)).split('\n');
    const rows = table.slice(0, table.indexOf(''));
    const listed = rows.flatMap((row) => row.match(/^\| `(--?[\w-]+)/)?.[1] ?? []);
    const help = await promisify(execFile)(process.execPath, ['dist/cli.js', command, '--help'], {
      cwd: ROOT,
    });
    const options = [...help.stdout.matchAll(/^ {2}(--?[\w-]+)/gm)].map(([, option]) => option);
    expect([...listed, '-h'].sort()).toEqual(options.sort());
  });
});
