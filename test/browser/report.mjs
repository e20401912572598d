/**
 * `npm run test:report`: the page of `simd-softmax evaluate --report`, as Chromium shows it: light and dark, on a phone and on
 * a wide screen. Needs Chromium (apt-get install chromium, or its path in CHROMIUM).
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { skip } from '../../native/test/tools.mjs';
import { expectEqual, finish, node, proof, root } from '../package/packed.mjs';

const executablePath = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/google-chrome'].find(
  (path) => path && existsSync(path),
);
if (executablePath === undefined) {
  skip('the page of evaluate --report', 'apt-get install chromium');
  process.exit();
}
const cli = join(root, 'dist/cli.js');
if (!existsSync(cli)) spawnSync('npm', ['run', '--silent', 'build:ts'], { cwd: root, stdio: 'inherit' });

const folder = mkdtempSync(join(tmpdir(), 'simd-softmax-report-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

function npy(data, dtype, shape) {
  const text = `{'descr': '${dtype}', 'fortran_order': False, 'shape': (${shape.join(', ')},), }`.padEnd(117);
  return Buffer.concat([
    Buffer.from(`\x93NUMPY\x01\x00\x76\x00${text}\n`, 'latin1'),
    Buffer.from(data.buffer, data.byteOffset, data.byteLength),
  ]);
}

/** Logits of a model that is often right; the same every time. */
function logits(rows, classes) {
  const y = Int32Array.from({ length: rows }, (_, row) => (row * 31) % classes);
  const x = new Float32Array(rows * classes).map((_, i) => {
    const own = i % classes === y[Math.floor(i / classes)];
    return 3 * Math.sin(i * i) + (own ? 4 * Math.sin(i) + 1 : 0);
  });
  return { x, y };
}

/** What a class may be called: script, markup, another direction of writing, no place to break. */
const hostile = [
  '<img src=x onerror=alert(1)>',
  '</title><script>alert(1)</script>',
  'שלום & "co"',
  'w'.repeat(90),
];

function pageOf(name, rows, classes, flags) {
  const { x, y } = logits(rows, classes);
  writeFileSync(join(folder, 'x.npy'), npy(x, '<f4', [rows, classes]));
  writeFileSync(join(folder, 'y.npy'), npy(y, '<i4', [rows]));
  const labels = Array.from({ length: classes }, (_, i) => hostile[i] ?? `class ${i}`);
  writeFileSync(join(folder, 'labels.txt'), `${labels.join('\n')}\n`);
  const page = join(folder, `${name}.html`);
  node([cli, 'evaluate', 'x.npy', '--truth', 'y.npy', '--report', page, '-q', ...flags], { cwd: folder });
  return page;
}

const labelled = ['--labels', 'labels.txt'];
const cases = {
  digits: pageOf('digits', 2000, 10, ['--fit-temperature']),
  'hostile names': pageOf('hostile', 500, 4, labelled),
  '50 classes': pageOf('fifty', 3000, 50, [...labelled, '--fit-temperature', '--bins', '30']),
  '300 classes': pageOf('many', 3000, 300, labelled),
  'a single row': pageOf('single', 1, 2, []),
};

const browser = await chromium.launch({
  executablePath,
  args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
});
try {
  for (const [name, path] of Object.entries(cases)) {
    for (const colorScheme of ['light', 'dark']) {
      for (const width of [360, 1200]) {
        await proof(`${name}, ${colorScheme}, ${width} px`, () => show(path, colorScheme, width));
      }
    }
  }
  await proof('light and dark differ', async () => {
    const colours = [];
    for (const colorScheme of ['light', 'dark']) {
      const page = await browser.newPage({ colorScheme });
      await page.goto(`file://${cases.digits}`);
      colours.push(await page.evaluate(() => getComputedStyle(document.body).backgroundColor));
      await page.close();
    }
    if (colours[0] === colours[1]) throw new Error(`both are ${colours[0]}`);
  });
} finally {
  await browser.close();
}
finish();

async function show(path, colorScheme, width) {
  const page = await browser.newPage({ colorScheme, viewport: { width, height: 800 } });
  try {
    const complaints = [];
    page.on('console', (message) => complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('dialog', (dialog) => complaints.push(`a dialog: ${dialog.message()}`));
    page.on('request', (request) => {
      const url = request.url();
      if (url !== `file://${path}` && !url.startsWith('data:')) complaints.push(`a request for ${url}`);
    });
    await page.goto(`file://${path}`);
    const seen = await page.evaluate(() => ({
      scrolls: document.documentElement.scrollWidth - document.documentElement.clientWidth,
      scripts: document.querySelectorAll('script, img').length,
      untitled: [...document.querySelectorAll('svg')].filter(
        (svg) => !svg.querySelector('title') || svg.getAttribute('role') !== 'img',
      ).length,
      drawings: [...document.querySelectorAll('svg')].filter((svg) => svg.getBoundingClientRect().width > 200)
        .length,
      cut: [...document.querySelectorAll('td, th, dd, h1, h2, p')].filter(
        (element) => element.getBoundingClientRect().right > innerWidth,
      ).length,
      heading: document.querySelector('h1').textContent,
    }));
    if (process.env.SCREENSHOTS) {
      const file = `${path.split('/').at(-1)}-${colorScheme}-${width}.png`;
      await page.screenshot({ path: join(process.env.SCREENSHOTS, file), fullPage: true });
    }
    expectEqual(complaints.join('\n'), '', 'the console and requests');
    expectEqual(seen.scrolls, 0, 'pixels to scroll sideways');
    expectEqual(seen.cut, 0, 'elements that stand out of the screen');
    expectEqual(seen.scripts, 0, 'scripts and images');
    expectEqual(seen.untitled, 0, 'drawings without a title');
    expectEqual(seen.heading, 'x.npy', 'the heading');
    if (seen.drawings < 2) throw new Error(`${seen.drawings} drawings`);
  } finally {
    await page.close();
  }
}
