// npm run build:native: the addon from scratch, with the headers of this very Node where they are at hand. It is also what
// users run where there is no prebuilt addon: npm brings its own node-gyp along then.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { nodeGypEnvironment, placeGypFile } from './node-gyp.mjs';

const root = path.resolve(import.meta.dirname, '..');
const own = path.join(root, 'node_modules', 'node-gyp', 'bin', 'node-gyp.js');
const [command, ...args] = existsSync(own) ? [process.execPath, own] : ['node-gyp'];
placeGypFile(root);
const { status, error } = spawnSync(command, [...args, 'rebuild', '--jobs', 'max', '--loglevel', 'warn'], {
  cwd: root,
  env: nodeGypEnvironment(),
  stdio: 'inherit',
});
if (error)
  console.error(`build:native: ${command} cannot be started (${error.message}): use npm run build:native`);
process.exitCode = status ?? 1;
