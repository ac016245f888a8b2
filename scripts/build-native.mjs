// npm run build:native: the addon from scratch, with the headers of this very Node where they are at hand.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { nodeGypEnvironment } from './headers.mjs';

const root = path.resolve(import.meta.dirname, '..');
const gyp = path.join(root, 'node_modules', 'node-gyp', 'bin', 'node-gyp.js');
const { status } = spawnSync(process.execPath, [gyp, 'rebuild', '--jobs', 'max', '--loglevel', 'warn'], {
  cwd: root,
  env: nodeGypEnvironment(),
  stdio: 'inherit',
});
process.exitCode = status ?? 1;
