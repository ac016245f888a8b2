import { checkOptions, checkSignal, checkTimeout, optionNames } from './arguments';
import type { Transport } from './engines/engine';
import { TimeoutError } from './errors';
import { clearTimeout, setImmediate, setTimeout } from './platform';
import { onAbort, reasonOf } from './transactions/abort';

export interface IdleOptions {
  /** How long to wait, in ms; then TimeoutError. Default: no limit. */
  readonly timeout?: number | undefined;
  /** Cancels the wait, which rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

const IDLE_NAMES = optionNames<IdleOptions>({ timeout: true, signal: true });

/** Resolves when nothing is under way on any of the transports; the list is read again at each look. */
export function idle(transports: () => readonly Transport[], options: IdleOptions): Promise<void> {
  checkOptions(options, IDLE_NAMES);
  const timeout = options.timeout === undefined ? undefined : checkTimeout(options.timeout);
  const signal = options.signal === undefined ? undefined : checkSignal(options.signal);
  if (signal?.aborted) return Promise.reject(reasonOf(signal));
  return new Promise((resolve, reject) => {
    let isOver = false;
    let timer: NodeJS.Timeout | undefined;
    let stopWaiting = (): void => {};
    let stopListening = (): void => {};
    const end = (conclude: () => void): void => {
      isOver = true;
      clearTimeout(timer);
      stopWaiting();
      stopListening();
      conclude();
    };
    const look = (): void => {
      if (isOver) return;
      const busy = transports().find(({ isIdle }) => !isIdle);
      if (busy === undefined) end(resolve);
      // In a later turn, so that the promises of ended operations settle first; their handlers may start more.
      else stopWaiting = busy.whenIdle(() => void setImmediate(look));
    };
    if (timeout !== undefined) timer = setTimeout(() => end(() => reject(timeoutError(timeout))), timeout);
    if (signal !== undefined) stopListening = onAbort(signal, (reason) => end(() => reject(reason)));
    look();
  });
}

function timeoutError(timeout: number): TimeoutError {
  return new TimeoutError(`idle: something was still under way after ${timeout} ms`, {
    context: { op: 'idle' },
  });
}
