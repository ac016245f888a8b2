import { spawnSync } from 'node:child_process';
import { lstatSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { checkFiles, DATA, LOCK, makeEmpty } from '../engines/embedded/files';
import { excerpt } from '../text';
import { complain, print } from './output';

const STEPS = [
  ['pages', join(__dirname, '../engines/embedded/verify.js')],
  ['records', join(__dirname, 'verify-records.js')],
] as const;

export function addVerify(program: Command): void {
  program
    .command('verify')
    .description(
      'read all of an embedded database in a process of its own; exits with 0 if nothing is damaged',
    )
    .argument('<directory>', 'that of the database; its data are only read')
    .action(verify);
}

/** Checks the database in child processes, because LMDB may crash or loop for ever in manipulated pages. */
function verify(directory: string): void {
  const path = resolve(directory);
  const shown = excerpt(path, 200);
  // Before LMDB opens the files itself, to lock them.
  checkFiles(path, { readOnly: true, allowForeignOwner: true });
  const data = lstatSync(join(path, DATA));
  makeEmpty(join(path, LOCK), data, data.mode & 0o666);
  // Far more than needed; it also ends a check in which LMDB follows a cycle.
  const timeout = Math.ceil(60_000 + data.size / 1000);
  for (const [what, program] of STEPS) {
    const { status, signal, stderr } = spawnSync(process.execPath, [program, path], {
      encoding: 'utf8',
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout,
    });
    if (status === 0) continue;
    const end = signal === null ? `exit code ${status}` : `ended by ${signal}`;
    complain(`${shown}: damaged: the ${what} cannot be read (${end})\n${excerpt(stderr.trim(), 500)}\n`);
    process.exitCode = 1;
    return;
  }
  print(`${shown}: no damage was found\n`);
}
