/** The house: how files may lean on each other, how long they may be, and that a name means one thing. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

function filesIn(folder: string, extension: RegExp): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && extension.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .sort();
}

const read = (path: string) => readFileSync(join(root, path), 'utf8');
const sources = filesIn('lib', /(?<!\.d)\.ts$/);

/** The files of `lib` that a file imports, types included. */
function importsOf(path: string): string[] {
  const text = read(path).replaceAll(/^\s*(\/\/|\*|\/\*).*$/gm, '');
  const names = [...text.matchAll(/(?:from|import\()\s*'(\.[^']+)\.js'/g)].map(([, name]) => name);
  return names.map((name) => `${join(dirname(path), name)}.ts`);
}

/** Files that reach each other, by Tarjan's strongly connected components; a file alone is none. */
function circles(): string[][] {
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const found: string[][] = [];
  const visit = (path: string) => {
    index.set(path, index.size);
    low.set(path, index.get(path) as number);
    stack.push(path);
    for (const next of importsOf(path).filter((other) => sources.includes(other))) {
      if (!index.has(next)) visit(next);
      if (stack.includes(next)) low.set(path, Math.min(low.get(path) as number, low.get(next) as number));
    }
    if (low.get(path) !== index.get(path)) return;
    const members = stack.splice(stack.indexOf(path));
    if (members.length > 1) found.push(members.sort());
  };
  for (const path of sources) if (!index.has(path)) visit(path);
  return found;
}

const outsideCli = (path: string) => path !== 'lib/cli.ts' && !path.startsWith('lib/cli/');

const isLong = (path: string, lines: number) => read(path).trimEnd().split('\n').length > lines;

describe('The house', () => {
  it('files do not import each other in circles', () => {
    expect(circles()).toEqual([]);
  });

  it.skipIf(!existsSync(join(root, '.git')))(
    'the top level holds what was agreed: what a trial leaves there is no part of it',
    () => {
      const folders = ['bench', 'docs', 'findings', 'lib', 'native', 'test'];
      const tracked = execFileSync('git', ['ls-files'], { cwd: root, encoding: 'utf8' }).trim().split('\n');
      const top = new Set(tracked.map((path) => path.split('/')[0]).filter((name) => !name.startsWith('.')));
      expect([...top].filter((name) => !folders.includes(name)).sort()).toEqual([
        ...['CHANGELOG.md', 'CMakeLists.txt', 'CONTRIBUTING.md', 'LICENSE', 'README.md', 'biome.json'],
        ...['package-lock.json', 'package.json', 'tsconfig.json', 'tsup.config.ts', 'vitest.config.ts'],
      ]);
    },
  );

  it('at most nine files lie directly in lib', () => {
    const entries = readdirSync(join(root, 'lib'), { withFileTypes: true }).filter((entry) => entry.isFile());
    expect(entries.length, entries.map(({ name }) => name).join(', ')).toBeLessThanOrEqual(9);
  });

  it('no file of lib has more than 350 lines', () => {
    expect(sources.filter((path) => isLong(path, 350))).toEqual([]);
  });

  it('no file of native/kernels has more than 450 lines', () => {
    expect(filesIn('native/kernels', /\.(h|cc)$/).filter((path) => isLong(path, 450))).toEqual([]);
  });

  it('the command line imports what a stranger could: the package, and its own files', () => {
    const entrances = ['lib/index.ts', 'lib/promises.ts', 'lib/duckdb.ts'];
    const through = sources
      .filter((path) => !outsideCli(path))
      .flatMap((path) => importsOf(path).map((other) => `${path} → ${other}`))
      .filter((line) => outsideCli(line.split(' → ')[1]) && !entrances.includes(line.split(' → ')[1]));
    expect(through).toEqual([]);
  });

  it('nothing below the calls chooses a backend, and the declarations know none but the readable one', () => {
    const leans = (from: string, to: RegExp) =>
      sources
        .filter((path) => path.startsWith(from))
        .flatMap((path) => importsOf(path).map((other) => `${path} → ${other}`))
        .filter((line) => to.test(line.split(' → ')[1]));
    expect(leans('lib/arguments/', /^lib\/(ops|calls)\/|^lib\/backends\/(?!problem|environment)/)).toEqual(
      [],
    );
    expect(leans('lib/ops/', /^lib\/calls\/|^lib\/backends\/(?!problem|environment|js\/)/)).toEqual([]);
    expect(leans('lib/backends/', /^lib\/calls\//)).toEqual([]);
  });

  /** webpack goes by the mark of each call alone: without it a page has every operation. */
  it('declarations of operations are marked pure where they stand', () => {
    const unmarked = sources
      .filter((path) => path.startsWith('lib/ops/'))
      .flatMap(
        (path) => read(path).match(/^(export )?const \w+ = (?!\/\* @__PURE__ \*\/)\w+(<\w+>)?\(/gm) ?? [],
      );
    expect(unmarked).toEqual([]);
  });

  /** In the library and the kernels; the command line has words of its own. */
  it.each(['Block', 'Output', 'Layout', 'Batch', 'Request', 'Reader'])('%s means one thing', (name) => {
    const declaration = new RegExp(
      `\\b(class|interface|struct|enum class|type) ${name}\\b(?! from)(?=.*[{=<])`,
    );
    const places = [...sources, ...filesIn('native', /\.(h|cc)$/)].filter(outsideCli).filter((path) =>
      read(path)
        .split('\n')
        .some((line) => declaration.test(line) && !/^\s*(\/\/|\*|import|export \{)/.test(line)),
    );
    expect(places.length, places.join(', ')).toBeLessThanOrEqual(1);
  });
});
