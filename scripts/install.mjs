// npm's install step: nothing where a prebuilt addon loads, otherwise one compilation.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { nodeGypEnvironment } from './headers.mjs';

// Without a poller there is nothing to compile, and a mixed team's `npm ci` must still succeed.
if (process.platform !== 'win32') {
  const builder = createRequire(import.meta.url).resolve('node-gyp-build/bin.js');
  const { status } = spawnSync(process.execPath, [builder], { stdio: 'inherit', env: nodeGypEnvironment() });
  process.exitCode = status ?? 1;
}
