/** The browsers of this machine, each with how it shows a page. Paths may be given in CHROMIUM and FIREFOX. */
import { existsSync } from 'node:fs';
import * as chromium from './chromium.mjs';
import * as firefox from './firefox.mjs';

export const browsers = [
  [chromium, ['CHROMIUM', '/usr/bin/chromium', '/usr/bin/google-chrome'], 'chromium'],
  [firefox, ['FIREFOX', '/usr/bin/firefox-esr', '/usr/bin/firefox'], 'firefox-esr'],
].map(([{ show }, [variable, ...paths], name]) => ({
  show,
  name,
  executablePath: [process.env[variable], ...paths].find((path) => path && existsSync(path)),
}));
