// Brings a checkout to the state in which `npm start` and `npm test` work: dependencies, addon, dist. Runs before both,
// so it must cost nothing when nothing changed; freshness is judged by modification times, as make does.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync, statSync, utimesSync } from 'node:fs';
import path from 'node:path';
import { nodeGypEnvironment, placeGypFile } from './node-gyp.mjs';

const root = path.resolve(import.meta.dirname, '..');
const at = (...parts) => path.join(root, ...parts);
const addon = at('build', 'Release', 'evenkeel.node');
const compiled = at('dist', 'index.js');
const generator = at('scripts', 'generate-layout.mjs');

class SetupError extends Error {}

try {
  installDependencies();
  generateLayout();
  buildAddon();
  compileTypeScript();
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  console.error(`setup: ${error.message}`);
  process.exit(1);
}

function installDependencies() {
  const installed = mtime(at('node_modules', '.package-lock.json'));
  if (installed >= mtime(at('package-lock.json'))) return;
  announce('installing dependencies (npm ci)');
  // The addon is built below, once and with its output kept; no dependency needs its own script.
  const npm = process.env.npm_execpath;
  const [command, args] = npm?.endsWith('.js') ? [process.execPath, [npm]] : ['npm', []];
  run('npm ci', command, [...args, 'ci', '--ignore-scripts', '--no-audit', '--no-fund']);
}

function generateLayout() {
  if (!existsSync(generator)) return;
  if (mtime(compiled) >= newest(at('native'), at('lib'), generator)) return;
  run('generate-layout', process.execPath, [generator]);
}

function buildAddon() {
  if (process.platform === 'win32' || !existsSync(at('native', 'sources.txt'))) return;
  if (mtime(addon) >= newest(at('native'))) return;
  requireToolchain();
  const gyp = at('node_modules', 'node-gyp', 'bin', 'node-gyp.js');
  // A configured build recompiles only what changed; a changed list of sources needs a new configuration.
  const configured =
    mtime(at('build', 'Makefile')) >= newest(at('native', 'addon.gyp'), at('native', 'sources.txt'));
  announce(configured ? 'rebuilding the native addon' : 'building the native addon (a minute or so)');
  placeGypFile(root);
  const env = nodeGypEnvironment();
  delete env.EVENKEEL_SANITIZE;
  run(
    'node-gyp',
    process.execPath,
    [gyp, configured ? 'build' : 'rebuild', '--jobs', 'max', '--loglevel', 'warn'],
    env,
  );
  if (mtime(addon) === 0)
    throw new SetupError(`node-gyp ended without error but left no ${path.relative(root, addon)}`);
  // make leaves the addon alone when what changed was no input of it, such as a removed header.
  touch(addon);
}

function compileTypeScript() {
  const sources = newest(at('lib'), at('tsconfig.json'));
  if (sources === 0 || mtime(compiled) >= sources) return;
  announce('compiling TypeScript');
  const started = Date.now();
  run('tsc', process.execPath, [
    at('node_modules', 'typescript', 'bin', 'tsc'),
    '-p',
    root,
    '--noEmitOnError',
  ]);
  // What tsc did not write just now belongs to a source that is gone. Removing it afterwards, not the folder before,
  // leaves no moment without a dist.
  for (const file of files(at('dist'))) if (mtime(file) < started - 2000) rmSync(file);
  touch(compiled);
}

/** Names everything that is missing at once, rather than letting node-gyp fail at the first. */
function requireToolchain() {
  const python = [process.env.npm_config_python, process.env.PYTHON, 'python3', 'python'];
  const compiler = [process.env.CXX, 'g++', 'c++', 'clang++'];
  const missing = [
    works(python) ? undefined : 'Python 3',
    works([process.env.MAKE, 'make', 'gmake']) ? undefined : 'make',
    works(compiler) ? undefined : 'a C++20 compiler (g++ 11 or clang++ 14)',
  ].filter(Boolean);
  if (missing.length === 0) return;
  const hint =
    process.platform === 'darwin'
      ? 'xcode-select --install'
      : 'on Debian: apt-get install build-essential python3';
  throw new SetupError(`the native addon cannot be built, missing: ${missing.join(', ')} (${hint})`);
}

function works(candidates) {
  return candidates.some((command) => {
    if (!command) return false;
    const [program, ...args] = command.split(' ');
    return spawnSync(program, [...args, '--version'], { stdio: 'ignore' }).status === 0;
  });
}

/** Runs quietly; what the child printed matters only when it failed. */
function run(name, command, args, env = process.env) {
  const child = spawnSync(command, args, {
    cwd: root,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  if (child.error) throw new SetupError(`${name} could not be started: ${child.error.message}`);
  if (child.status === 0) return;
  process.stderr.write(child.stdout + child.stderr);
  throw new SetupError(`${name} failed (${child.signal ?? `exit code ${child.status}`}), see above`);
}

function announce(what) {
  // Not to stdout, which may be a report for a machine: npm start --silent -- --json
  console.error(`setup: ${what}`);
}

function touch(file) {
  const now = new Date();
  utimesSync(file, now, now);
}

function mtime(file) {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** Directories count too: removing a file changes nothing else. */
function newest(...roots) {
  let latest = 0;
  for (const entry of roots) {
    latest = Math.max(latest, mtime(entry));
    if (!statSync(entry, { throwIfNoEntry: false })?.isDirectory()) continue;
    for (const name of readdirSync(entry, { recursive: true }))
      latest = Math.max(latest, mtime(path.join(entry, name)));
  }
  return latest;
}

function files(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name));
}
