// What a result must carry to mean anything later: the machine and every version that took part.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { arch, cpus, platform, release, totalmem } from 'node:os';
import { npmClients, orientation } from './plan.mts';

const require = createRequire(import.meta.url);

function versionOf(command: string, argument: string): string {
  try {
    const text = execFileSync(command, [argument], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    return /(\d+\.)+\d+/.exec(text)?.[0] ?? text.trim();
  } catch {
    return 'not found';
  }
}

/** Of an installed package, as it is found from this file or from `within`, a file of another folder. */
export function packageVersion(name: string, within?: string | URL): string {
  const { resolve } = within === undefined ? require : createRequire(within);
  for (const folder of resolve.paths(name) ?? []) {
    try {
      const manifest: { version: string } = JSON.parse(
        readFileSync(`${folder}/${name}/package.json`, 'utf8'),
      );
      return manifest.version;
    } catch {
      // The next folder up.
    }
  }
  return 'not found';
}

export interface Machine {
  cpu: string;
  cores: number;
  memoryGb: number;
  kernel: string;
}

export function machine(): Machine {
  const all = cpus();
  return {
    cpu: all[0]?.model.trim() ?? 'unknown',
    cores: all.length,
    memoryGb: Math.round(totalmem() / 1e9),
    kernel: `${platform()} ${release()} ${arch()}`,
  };
}

export function versions(): Record<string, string> {
  const own: { version: string } = JSON.parse(
    readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
  );
  return {
    node: process.version,
    evenkeel: own.version,
    ...Object.fromEntries([...npmClients, orientation].map((name) => [`npm:${name}`, packageVersion(name)])),
    memcached: versionOf('memcached', '-V'),
    redis: versionOf('redis-server', '-v'),
    compiler: versionOf(process.env.CXX ?? 'g++', '-dumpfullversion'),
  };
}
