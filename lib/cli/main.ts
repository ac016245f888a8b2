#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Command } from 'commander';
import { addBench } from './bench';
import { addDdl } from './ddl';
import { addDemo } from './demo';
import { complain, print } from './output';
import { addPing } from './ping';
import { addReplay } from './replay';
import { oneLine } from './report';
import { addServe } from './serve';
import { addTop } from './top';
import { addVerify } from './verify';
import { addWatch } from './watch';

const program = new Command('evenkeel')
  .description(
    'Replays, measures, serves, probes and watches memcached; shows, follows and translates embedded databases.',
  )
  .version(packageVersion(), '-V, --version')
  .option('--verbose', 'print stacks of errors')
  .showHelpAfterError('(--help tells more)')
  // Must precede the commands, which inherit it.
  .configureOutput({ writeOut: print, writeErr: complain });

addReplay(program);
addBench(program);
addServe(program);
addPing(program);
addTop(program);
addDdl(program);
addDemo(program);
addWatch(program);
addVerify(program);

program.parseAsync().then(
  () => leave(Number(process.exitCode ?? 0)),
  (error: unknown) => {
    const { verbose } = program.opts<{ verbose?: boolean }>();
    const stack = error instanceof Error ? error.stack : undefined;
    complain(`evenkeel: ${verbose && stack ? stack : oneLine(error)}\n`);
    leave(1);
  },
);

/** Ends the process when its output is written, even if a broken connection would keep it alive. */
function leave(code: number): void {
  process.exitCode = code;
  process.stdout.write('', () => process.stderr.write('', () => process.exit(code)));
}

function packageVersion(): string {
  const manifest = readFileSync(join(dirname(__filename), '../../package.json'), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}
