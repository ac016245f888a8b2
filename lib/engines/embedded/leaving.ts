import { writeSync } from 'node:fs';
import { inspect } from 'node:util';
import { isMainThread } from 'node:worker_threads';
import { loadAddon } from '../../native/load';
import { nodeProcess } from '../../platform';

/**
 * A write transaction waits, in a thread of the pool, for this thread to execute it. process.exit() waits for the threads of
 * the pool, and would do so for ever. What is not committed by then is given up, as if the process had been killed, which
 * LMDB stands: the process ends without waiting. Worker threads are ended by Node without that.
 */
let underWay = 0;
let isWatching = false;
/** What nobody catches: Node prints it after its listeners for the exit, which the process does not get to. */
let uncaught: { readonly error: unknown } | undefined;

const STDERR = 2;

/**
 * The first of the listeners for the exit calls the others and then ends the process: were it the last, one that throws
 * would keep it from being called, and Node goes on to exit after that.
 */
const leave = (code: number): void => {
  const exit = (): never => loadAddon().exitNow(Number(nodeProcess.exitCode ?? code));
  // What process.exit() calls in the end, also when a listener calls it.
  Object.assign(nodeProcess, { reallyExit: exit });
  try {
    callOthers(code);
    if (uncaught !== undefined) writeSync(STDERR, `Uncaught ${inspect(uncaught.error)}\n`);
  } catch {
    // Nobody reads what this process prints, for instance.
  } finally {
    exit();
  }
};

function callOthers(code: number): void {
  const listeners = nodeProcess.rawListeners('exit');
  for (const listener of listeners.slice(listeners.indexOf(leave) + 1)) {
    try {
      Reflect.apply(listener, nodeProcess, [code]);
    } catch (error) {
      uncaught ??= { error };
    }
  }
}

function watchUncaught(): void {
  isWatching = true;
  nodeProcess.on('uncaughtExceptionMonitor', (error) => {
    const isCaught =
      nodeProcess.listenerCount('uncaughtException') > 0 || nodeProcess.hasUncaughtExceptionCaptureCallback();
    if (!isCaught) uncaught = { error };
  });
}

/** A write transaction has been asked for. */
export function beginCommit(): void {
  underWay += 1;
  if (underWay > 1 || !isMainThread) return;
  if (!isWatching) watchUncaught();
  nodeProcess.prependListener('exit', leave);
}

/** It is committed or given up. */
export function endCommit(): void {
  underWay -= 1;
  if (underWay === 0 && isMainThread) nodeProcess.off('exit', leave);
}
