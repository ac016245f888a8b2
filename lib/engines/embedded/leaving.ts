import { writeSync } from 'node:fs';
import { inspect } from 'node:util';
import { isMainThread } from 'node:worker_threads';
import { loadAddon } from '../../native/load';

/**
 * A write transaction waits, in a thread of the pool, for this thread to execute it. process.exit() waits for the threads of
 * the pool, and would do so for ever. What is not committed by then is given up, as if the process had been killed, which
 * LMDB stands: the process ends without waiting. Worker threads are ended by Node without that.
 */
let underWay = 0;
let isWatching = false;
/** What nobody catches: Node prints it after its listeners for the exit, which the process does not get to. */
let uncaught: { readonly error: unknown } | undefined;

const leave = (code: number): void => {
  if (uncaught !== undefined) writeSync(process.stderr.fd, `Uncaught ${inspect(uncaught.error)}\n`);
  loadAddon().exitNow(code);
};

function watchUncaught(): void {
  isWatching = true;
  process.on('uncaughtExceptionMonitor', (error) => {
    const isCaught =
      process.listenerCount('uncaughtException') > 0 || process.hasUncaughtExceptionCaptureCallback();
    if (!isCaught) uncaught = { error };
  });
}

/** A write transaction has been asked for. */
export function beginCommit(): void {
  underWay += 1;
  if (underWay > 1 || !isMainThread) return;
  if (!isWatching) watchUncaught();
  // As late as can be: what others do on exit comes first.
  process.on('exit', leave);
}

/** It is committed or given up. */
export function endCommit(): void {
  underWay -= 1;
  if (underWay === 0 && isMainThread) process.off('exit', leave);
}
