/** Relative links in the Markdown of this repository lead to files that are there, and anchors to headings. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '..');
const pages = ['.', 'docs', 'native', 'bench'].flatMap((folder) =>
  readdirSync(join(ROOT, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(ROOT, folder, name)),
);

/** The page without its code, in which brackets are no links. */
function prose(path: string): string {
  return readFileSync(path, 'utf8')
    .replace(/^ *```.*?^ *```$/gms, '')
    .replace(/`[^`\n]*`/g, (code) => code.replace(/[[\]()<>]/g, ''));
}

function targets(text: string): string[] {
  const inText = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, to]) => to);
  const inMarkup = [...text.matchAll(/\b(?:src|srcset|href)="([^"]+)"/g)].map(([, to]) => to);
  return [...inText, ...inMarkup].filter((to) => !/^[a-z]+:/.test(to));
}

/** Anchors as GitHub makes them of headings. */
function anchors(text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

describe('Links', () => {
  test.each(pages.map((page) => [relative(ROOT, page), page]))('of %s', (_, page) => {
    const dead = targets(prose(page)).filter((to) => {
      const [file, anchor] = to.split('#');
      const path = file === '' ? page : join(dirname(page), file);
      return !existsSync(path) || (anchor !== undefined && !anchors(prose(path)).includes(anchor));
    });
    expect(dead).toEqual([]);
  });

  test('there are pages, and links in the README', () => {
    expect(pages.map((page) => relative(ROOT, page))).toEqual(
      expect.arrayContaining(['README.md', 'CONTRIBUTING.md', 'docs/algorithm.md', 'bench/RESULTS.md']),
    );
    expect(targets(prose(join(ROOT, 'README.md'))).length).toBeGreaterThan(10);
  });
});
