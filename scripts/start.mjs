// npm start [-- <arguments of `evenkeel replay`>]: the production workloads; without arguments the embedded database, too.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';

const command = path.resolve(import.meta.dirname, '..', 'dist', 'cli', 'main.js');
const given = process.argv.slice(2);
const runs = given.length > 0 ? [['replay', ...given]] : [['replay'], ['demo']];

// The terminal tells the command as well, which ends in good order: it is waited for.
let isInterrupted = false;
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    isInterrupted = true;
  });
}

for (const args of runs) {
  if (args[0] === 'demo') process.stdout.write('\n');
  const child = spawn(process.execPath, [command, ...args], { stdio: 'inherit' });
  const [status] = await once(child, 'close');
  process.exitCode = status ?? 1;
  if (isInterrupted || status !== 0) break;
  if (args[0] === 'demo')
    console.log(
      '\nThe memcached client and the embedded database work on this machine. The quickstart in README.md goes on from here.',
    );
}
