import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';
import packageJson from '../package.json' with { type: 'json' };

const ROOT = join(import.meta.dirname, '..');
const README = readFileSync(join(ROOT, 'README.md'), 'utf8');

interface Snippet {
  readonly line: number;
  readonly code: string;
}

function snippets(languages: readonly string[]): Snippet[] {
  return [...README.matchAll(/^```(\w+)\n(.*?)^```$/gms)]
    .filter(([, language]) => languages.includes(language))
    .map(({ index, 2: code }) => ({ line: README.slice(0, index).split('\n').length, code }));
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

describe('the README', () => {
  for (const { line, code } of snippets(['js', 'ts'])) {
    test(`line ${line}: prints what it says`, async () => {
      const promise = promised(code).join('\n');
      expect(oneLine(asPrecise(await output(code), promise))).toBe(oneLine(promise));
    });
  }

  test('has snippets, and promises in most', () => {
    const all = snippets(['js', 'ts']);
    expect(all.length).toBeGreaterThan(3);
    expect(all.filter(({ code }) => promised(code).length > 0).length).toBeGreaterThan(all.length / 2);
  });

  test('its npm scripts exist', () => {
    const scripts = [...README.matchAll(/\bnpm (?:run )?(start|test|[\w]+:[\w]+)/g)].map(([, name]) => name);
    expect(scripts).toContain('start');
    for (const script of scripts) expect(packageJson.scripts).toHaveProperty(script);
  });

  test('the benchmark can write its part', () => {
    expect(README).toMatch(/^<!-- bench -->\n.+\n<!-- \/bench -->$/ms);
  });

  test.each(['score', 'worker'])('lists every option of the command %s, and no other', async (command) => {
    const [, ...table] = README.slice(README.indexOf(`| Option of \`${command}\``)).split('\n');
    const rows = table.slice(0, table.indexOf(''));
    const listed = rows.flatMap((row) => row.match(/^\| `(--?[\w-]+)/)?.[1] ?? []);
    const help = await promisify(execFile)(process.execPath, ['dist/cli.js', command, '--help'], {
      cwd: ROOT,
    });
    const options = [...help.stdout.matchAll(/^ {2}(--?[\w-]+)/gm)].map(([, option]) => option);
    expect([...listed, '-h'].sort()).toEqual(options.sort());
  });
});
