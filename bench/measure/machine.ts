/** What a run was made on. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { arch, availableParallelism, cpus, platform, release, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Machine } from './results.js';

export function machine(): Machine {
  return {
    cpu: cpuName(),
    cores: availableParallelism(),
    caches: caches(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${release()} ${arch()}`,
    node: process.version,
    v8: process.versions.v8,
  };
}

/** Virtual machines often hide the model's name; family, model and stepping still tell. */
function cpuName(): string {
  const name = cpus()[0]?.model.trim() ?? 'unknown';
  const details = readIfThere('/proc/cpuinfo').split('\n\n')[0];
  const number = (field: string) => new RegExp(`^${field}\\s*: (\\d+)`, 'm').exec(details)?.[1];
  const [family, model, stepping] = ['cpu family', 'model', 'stepping'].map(number);
  return family ? `${name} (family ${family}, model ${model}, stepping ${stepping})` : name;
}

function caches(): string[] {
  const folder = '/sys/devices/system/cpu/cpu0/cache/';
  try {
    return readdirSync(folder)
      .filter((name) => name.startsWith('index'))
      .map((name) => {
        const read = (field: string) => readFileSync(`${folder}${name}/${field}`, 'utf8').trim();
        return { level: read('level'), type: read('type'), size: read('size') };
      })
      .filter(({ type }) => type !== 'Instruction')
      .map(({ level, size }) => `L${level} ${size.replace('K', ' KiB')}`);
  } catch {
    // Not Linux.
    return [];
  }
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/** The commit that was measured, with `+` where the working tree has changes. */
export function commit(): string | null {
  const cwd = fileURLToPath(new URL('../..', import.meta.url));
  const described = spawnSync('git', ['describe', '--always', '--dirty=+'], { cwd, encoding: 'utf8' });
  return described.status === 0 ? described.stdout.trim() : null;
}
