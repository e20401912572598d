/** Bundled for a server by each bundler, moved elsewhere, and without `node_modules`; and traced by nft. */
import { copyFileSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { finish, proof } from '../package/packed.mjs';
import { bundlers, withVite } from './bundlers.mjs';
import { app, binary, binaryName, copyOf, expectAdvice, expectNative, start } from './shipped.mjs';
import { importTool } from './tools.mjs';

/** Throws where a file of a build names the folder it was built in, comments apart. */
function expectNothingBakedIn(folder, built) {
  for (const name of readdirSync(folder, { recursive: true })) {
    if (!/\.[mc]?js$/.test(name)) continue;
    const code = readFileSync(join(folder, name), 'utf8').replace(/^\s*\/\/.*$/gm, '');
    if (code.includes(built)) throw new Error(`${name} names ${built}`);
  }
}

for (const { name, format, carries = false, line = /external: \['simd-softmax'\]/, build } of bundlers) {
  const folder = copyOf(app, ['src', 'node_modules', 'package.json']);
  let file;
  await proof(`${name}: native where it was built`, async () => {
    file = await build(folder);
    expectNative(start(process.execPath, [file]));
    expectNothingBakedIn(join(folder, 'out'), folder);
  });
  if (file === undefined) continue;
  const moved = copyOf(folder, ['out', 'node_modules']);
  const alone = copyOf(folder, ['out']);
  rmSync(folder, { recursive: true });
  const at = (place) => join(place, relative(folder, file));
  await proof(`${name}: native with node_modules in reach, moved, the build's folder gone`, () =>
    expectNative(start(process.execPath, [at(moved)])),
  );
  if (carries) {
    await proof(`${name}: native with what it copied into the output, and nothing else`, () =>
      expectNative(start(process.execPath, [at(alone)])),
    );
    for (const each of readdirSync(join(alone, 'out')))
      if (each.endsWith('.node')) rmSync(join(alone, 'out', each));
  }
  await proof(`${name}: the bundle alone says which line keeps the package out of it`, () =>
    expectAdvice(start(process.execPath, [at(alone)]), line),
  );
  await proof(`${name}: the bundle alone takes the binary beside it`, () => {
    const beside = copyOf(alone, ['out']);
    copyFileSync(binary, join(beside, 'out', binaryName));
    expectNative(start(process.execPath, [at(beside)]));
  });
  await proof(`${name}: by standard input it looks for nothing`, () =>
    expectAdvice(
      start(process.execPath, format === 'esm' ? ['--input-type=module', '-'] : ['-'], {
        input: readFileSync(at(moved), 'utf8'),
      }),
      /./,
    ),
  );
}

await proof("Vite's server build as it is by default, the package left out: native", async () => {
  const folder = copyOf(app, ['src', 'node_modules', 'package.json']);
  await withVite(folder, 'esm', {});
  expectNative(start(process.execPath, [join(copyOf(folder, ['out', 'node_modules']), 'out/app.mjs')]));
});

const { nodeFileTrace } = await importTool('@vercel/nft');
for (const source of ['mjs', 'cjs'])
  await proof(`@vercel/nft traces what an .${source} file needs, and that alone is native`, async () => {
    const { fileList } = await nodeFileTrace([join(app, `src/app.${source}`)], { base: app });
    const folder = copyOf(app, [...fileList]);
    expectNative(start(process.execPath, [join(folder, `src/app.${source}`)]));
    return `${fileList.size} files`;
  });
finish();
