// npm start [-- <arguments of `evenkeel replay`>]: the production workloads; without arguments the embedded database, too.
import { spawnSync } from 'node:child_process';
import path from 'node:path';

const command = path.resolve(import.meta.dirname, '..', 'dist', 'cli', 'main.js');
const given = process.argv.slice(2);
const runs = given.length > 0 ? [['replay', ...given]] : [['replay'], ['demo']];

for (const args of runs) {
  if (args[0] === 'demo') process.stdout.write('\n');
  const { status, signal } = spawnSync(process.execPath, [command, ...args], { stdio: 'inherit' });
  if (status === 0) continue;
  process.exitCode = status ?? (signal === null ? 1 : 128);
  break;
}
