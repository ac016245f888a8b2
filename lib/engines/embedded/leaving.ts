import { isMainThread } from 'node:worker_threads';
import { loadAddon } from '../../native/load';

/**
 * A write transaction waits, in a thread of the pool, for this thread to execute it. process.exit() waits for the threads of
 * the pool, and would do so for ever. What is not committed by then is given up, as if the process had been killed, which
 * LMDB stands: the process ends without waiting. Worker threads are ended by Node without that.
 */
let underWay = 0;

const leave = (code: number): void => {
  loadAddon().exitNow(code);
};

/** A write transaction has been asked for. */
export function beginCommit(): void {
  underWay += 1;
  // As late as can be: what others do on exit comes first.
  if (underWay === 1 && isMainThread) process.on('exit', leave);
}

/** It is committed or given up. */
export function endCommit(): void {
  underWay -= 1;
  if (underWay === 0 && isMainThread) process.off('exit', leave);
}
