/**
 * A page shown by Debian's Firefox, which Playwright cannot drive: it is started with the page's address and nothing else, and
 * the page posts its report to the server that it came from.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** No first-run pages, no updates, no telemetry. */
const preferences = {
  'app.normandy.enabled': false,
  'app.update.auto': false,
  'browser.aboutwelcome.enabled': false,
  'browser.safebrowsing.downloads.remote.enabled': false,
  'browser.shell.checkDefaultBrowser': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'dom.max_script_run_time': 0,
  'extensions.systemAddon.update.enabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'toolkit.telemetry.reportingpolicy.firstRun': false,
};

export async function show(executablePath, origin, posted) {
  const profile = mkdtempSync(join(tmpdir(), 'simd-softmax-firefox-'));
  writeFileSync(
    join(profile, 'user.js'),
    Object.entries(preferences)
      .map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`)
      .join(''),
  );
  const { stdout } = spawnSync(executablePath, ['--version'], { encoding: 'utf8' });
  const named = stdout.trim().toLowerCase().replace('mozilla ', '');
  const args = ['--headless', '--no-remote', '--profile', profile, `${origin}#posts`];
  const child = spawn(executablePath, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, HOME: profile },
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    said += text;
  });
  const ended = new Promise((_, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => reject(new Error(`${named} ended with ${code ?? signal}\n${said}`)));
  });
  ended.catch(() => {});
  const late = new Promise((_, reject) => {
    setTimeout(() => reject(new Error(`${named} has not reported in 15 minutes\n${said}`)), 900_000).unref();
  });
  try {
    const { error, ...report } = await Promise.race([posted, ended, late]);
    if (error !== undefined) throw new Error(error);
    return { named, report, complaints: [], outside: [] };
  } finally {
    child.kill('SIGKILL');
    await ended.catch(() => {});
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}
