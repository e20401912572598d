/** Which files a command names, and where their scores go. */
import { mkdir, readdir, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { glob, isDynamicPattern } from 'tinyglobby';
import { expected, expectedUsage, systemFailure } from './failure.js';
import { type Format, formatByName } from './formats.js';
import { splitMember } from './input.js';

/** An input, and the output of its own. */
export interface FilePair {
  readonly input: string;
  readonly output: string;
}

/**
 * Patterns become the files that match, in the order of their names; a file that has such a name is itself. A folder
 * becomes its files of logits, but one with folders called `name=value` is one input: the parts of a table.
 */
export async function expandInputs(patterns: readonly string[]): Promise<string[]> {
  const inputs = new Set<string>();
  for (const pattern of patterns) {
    const matches = (await isPattern(pattern)) ? await match(pattern) : await filesIn(pattern);
    for (const path of matches) inputs.add(path);
  }
  return [...inputs];
}

async function isPattern(path: string): Promise<boolean> {
  return isDynamicPattern(path) && !(await exists(path));
}

async function match(pattern: string): Promise<string[]> {
  const matches = await glob(pattern, { expandDirectories: false });
  if (matches.length === 0) throw expected('files that match', `'${pattern}'`, 'none');
  return matches.sort();
}

async function filesIn(path: string): Promise<string[]> {
  if (path === '-' || !(await isDirectory(path))) return [path];
  const entries = await readdir(path, { withFileTypes: true }).catch((error) => {
    throw systemFailure(error, 'a readable folder', path);
  });
  if (entries.some((entry) => entry.isDirectory() && entry.name.includes('='))) return [path];
  const files = entries
    .filter(({ name }) => formatByName(name) !== undefined)
    .map(({ name }) => join(path, name));
  if (files.length === 0) throw expected('files of logits', path, 'none');
  return files.sort();
}

/** Whether the output is a folder, to hold a file for each input. */
export async function isFolder(output: string): Promise<boolean> {
  return /[/\\]$/.test(output) || (await isDirectory(output));
}

/** Each input's output in the folder, under its own name; the folder is made. */
export async function pairsInto(
  folder: string,
  inputs: readonly string[],
  format: Format | undefined,
): Promise<FilePair[]> {
  const pairs = inputs.map((input) => ({ input, output: join(folder, nameOf(input, format)) }));
  const takenBy = new Map<string, string>();
  for (const { input, output } of pairs) {
    const other = takenBy.get(output);
    if (other !== undefined) throw expectedUsage('names that differ', output, `${other} and ${input}`);
    takenBy.set(output, input);
  }
  const sources = new Set(inputs.map((input) => resolve(input)));
  const overwriting = pairs.find(({ output }) => sources.has(resolve(output)));
  if (overwriting) throw expectedUsage('another folder than that of the inputs', '-o', folder);
  await mkdir(folder, { recursive: true }).catch((error) => {
    throw systemFailure(error, 'a folder', folder);
  });
  return pairs;
}

function nameOf(input: string, format: Format | undefined): string {
  if (input === '-') throw expectedUsage('files', 'an output folder', 'stdin');
  const { file, member } = splitMember(input);
  // An array of several becomes a file of its own.
  const name =
    member === undefined
      ? basename(file).replace(/\.(npz|safetensors)$/i, '.npy')
      : `${basename(file).replace(/\.[^.]*$/, '')}.${member.replace(/[\\/]/g, '_')}.npy`;
  return format === undefined ? name : `${name.replace(/\.[^.]*$/, '')}.${format}`;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function isDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
}
