/** A single executable application, with the binary beside it and inside. */
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { finish, proof, run, work } from '../package/packed.mjs';
import { withEsbuild } from './bundlers.mjs';
import { app, binary, binaryName, copyOf, expectAdvice, expectNative, start } from './shipped.mjs';
import { node26 } from './tools.mjs';

const sea = copyOf(app, ['src', 'node_modules', 'package.json']);
const main = await withEsbuild(sea, 'cjs');
/** A single executable application of Node 26, which makes them by itself. */
function executable(name, assets) {
  const folder = join(work, name);
  mkdirSync(folder);
  const out = join(folder, 'app');
  const config = { main, output: out, disableExperimentalSEAWarning: true, assets };
  writeFileSync(join(folder, 'sea.json'), JSON.stringify(config));
  run(node26, ['--build-sea', join(folder, 'sea.json')]);
  return out;
}
await proof('a single executable application alone: loadError says what to put beside it', () => {
  const out = executable('sea-alone', {});
  expectAdvice(start(out, []), /beside the executable/);
  copyFileSync(binary, join(dirname(out), binaryName));
  expectNative(start(out, []));
  return 'and with that file: native';
});
await proof('a single executable application with the binary as an asset: native', () =>
  expectNative(start(executable('sea-asset', { [binaryName]: binary }), [])),
);
finish();
