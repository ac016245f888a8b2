import type { Environment, Hold } from './environment';
import type { Snapshot } from './lmdb';

/**
 * An iterator over a snapshot, which is taken when the first is asked for and let go of at the end, by return(), or by
 * the end of the environment, after which next() throws ClosedError.
 */
export function held<T>(environment: Environment, read: (snapshot: Snapshot) => Iterator<T>): Iterator<T> {
  let hold: Hold | undefined;
  let found: Iterator<T> | undefined;
  let isClosed = false;
  const end = (): void => {
    found?.return?.();
    hold?.done();
    found = undefined;
    hold = undefined;
  };
  const onClose = (): void => {
    end();
    isClosed = true;
  };
  let isOver = false;
  return {
    next() {
      if (isClosed) environment.assertOpen();
      if (isOver) return { done: true, value: undefined };
      if (found === undefined) {
        hold = environment.snapshot(onClose);
        found = read(hold.transaction);
      }
      const next = found.next();
      if (next.done) {
        isOver = true;
        end();
      }
      return next;
    },
    return() {
      isOver = true;
      end();
      return { done: true, value: undefined };
    },
  };
}
