/**
 * `npm run test:recipes`: runs the services of docs/recipes.md that need other packages, over tiny models that
 * `models.mjs` writes, from the packed package. Each block names what it needs after its language; each line of output
 * that it promises must be printed. SIMD_SOFTMAX_RECIPE_TOOLS is a folder that keeps the packages for the next run.
 */
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expectEqual, finish, node, npm, pack, proof, root, work } from '../package/packed.mjs';
import { writeModels } from './models.mjs';

const folder = process.env.SIMD_SOFTMAX_RECIPE_TOOLS ?? join(work, 'recipes');
mkdirSync(folder, { recursive: true });
copyFileSync(join(root, 'test/recipes/package.json'), join(folder, 'package.json'));
if (!existsSync(join(folder, 'node_modules')))
  console.log(`Installing the packages into ${folder} (500 MB) …`);
npm(
  ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock', '--no-save', pack().path],
  { cwd: folder, env: { ...process.env, ONNXRUNTIME_NODE_INSTALL_CUDA: 'skip' } },
);
const require = createRequire(join(folder, 'package.json'));
const { default: protobuf } = await import(pathToFileURL(require.resolve('protobufjs/minimal.js')).href);
writeModels(join(folder, 'models'), protobuf);

const page = readFileSync(join(root, 'docs/recipes.md'), 'utf8');
const blocks = [...page.matchAll(/^## (.*?)$.*?^```(\w+)(.*?)\n(.*?)^```$/gms)];
for (const [, title, , needs, code] of blocks.filter(([, , language, needs]) => language === 'js' && needs)) {
  await proof(`${title} (${needs.trim()})`, () => {
    const file = join(folder, 'recipe.mjs');
    writeFileSync(file, code);
    const printed = node([file], { cwd: folder, timeout: 120_000 });
    const promised = [...code.matchAll(/^\s*\/\/ → (.*)$/gm)].map(([, line]) => line);
    const rounded = printed.trim().replace(/\d+\.\d{4,}/g, (digits) => Number(digits).toFixed(3));
    expectEqual(rounded, promised.join('\n'), 'what is printed');
  });
}
finish();
