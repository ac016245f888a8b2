import { writeSync } from 'node:fs';
import { inspect } from 'node:util';
import { isMainThread } from 'node:worker_threads';
import { loadAddon } from '../../native/load';
import { nodeProcess } from '../../platform';

/**
 * A write transaction occupies a thread of the pool, which waits for this thread to execute it. process.exit() waits
 * for the threads of the pool and would hang. Therefore the process ends without waiting for them. Uncommitted writes
 * are lost as if the process had been killed, which LMDB tolerates. Worker threads do not need this: Node ends them
 * without waiting.
 */
let underWay = 0;
let isWatching = false;
/** An uncaught error. Node prints it after the exit listeners, which this process does not reach. */
let uncaught: { readonly error: unknown } | undefined;

const STDERR = 2;

/**
 * The first exit listener: it calls the others itself and then ends the process. As the last listener it would not be
 * reached when another one throws, and Node would continue to exit.
 */
const leave = (code: number): void => {
  const exit = (): never => loadAddon().exitNow(Number(nodeProcess.exitCode ?? code));
  // process.exit() finally calls this, also when a listener calls it.
  Object.assign(nodeProcess, { reallyExit: exit });
  try {
    callOthers(code);
    if (uncaught !== undefined) writeSync(STDERR, `Uncaught ${inspect(uncaught.error)}\n`);
  } catch {
    // For example when nobody reads the output of this process.
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

/** Called when a write transaction is requested. */
export function beginCommit(): void {
  underWay += 1;
  if (underWay > 1 || !isMainThread) return;
  if (!isWatching) watchUncaught();
  nodeProcess.prependListener('exit', leave);
}

/** Called when it is committed or rolled back. */
export function endCommit(): void {
  underWay -= 1;
  if (underWay === 0 && isMainThread) nodeProcess.off('exit', leave);
}
