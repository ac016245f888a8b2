// What the scripts around the native core share: finding tools, and running them so that a failure ends the script.
import { spawnSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';

export const root = path.resolve(import.meta.dirname, '..');

export function hasTool(tool) {
  return spawnSync(tool, ['--version'], { stdio: 'ignore' }).status === 0;
}

/** Ends the script unless `tool` can be run. */
export function requireTool(tool, debianPackage) {
  if (hasTool(tool)) return;
  fail(`${tool} is missing (on Debian: apt-get install ${debianPackage})`);
}

/** Ends the script with the child's exit code unless that is 0. */
export function run(command, args, env = {}) {
  const child = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...env },
  });
  if (child.status === 0) return;
  const reason = child.error?.message ?? child.signal ?? `exit code ${child.status}`;
  fail(`${path.basename(command)} failed (${reason})`, child.status ?? 1);
}

/** Configures build-<lane>/ with CMake. */
export function configure(lane, options) {
  requireTool('cmake', 'cmake');
  const definitions = Object.entries(options).map(([name, value]) => `-D${name}=${value}`);
  run('cmake', ['-S', '.', '-B', `build-${lane}`, '-Wno-dev', '--log-level=WARNING', ...definitions]);
}

export function build(lane, ...targets) {
  const jobs = String(Math.min(availableParallelism(), 8));
  const named = targets.length === 0 ? [] : ['--target', ...targets];
  run('cmake', ['--build', `build-${lane}`, '--parallel', jobs, ...named]);
}

/** Paths, relative to the project's root, of the files below `folder` with one of the extensions; none if it is absent. */
export function filesBelow(folder, extensions) {
  if (!statSync(path.join(root, folder), { throwIfNoEntry: false })?.isDirectory()) return [];
  return readdirSync(path.join(root, folder), { recursive: true })
    .filter((name) => extensions.includes(path.extname(name)))
    .map((name) => path.join(folder, name))
    .sort();
}

export function fail(message, code = 1) {
  console.error(`${path.basename(process.argv[1], '.mjs')}: ${message}`);
  process.exit(code);
}
