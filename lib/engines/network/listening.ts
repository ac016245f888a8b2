import { queueMicrotask } from '../../platform';
import { onAbort, reasonOf } from '../../transactions/abort';
import type { Operation } from '../../transactions/operation';

/**
 * Has the signal end the operation, until it ends otherwise. False when the signal has aborted: nothing is to be sent. The
 * outcome comes like every other, after the call.
 */
export function listen(
  operation: Operation,
  signal: AbortSignal,
  canceller: { cancel(operation: Operation): void },
): boolean {
  if (signal.aborted) {
    queueMicrotask(() => operation.fail(reasonOf(signal)));
    return false;
  }
  const stop = onAbort(signal, (reason) => {
    canceller.cancel(operation);
    operation.fail(reason);
  });
  operation.stopListening = () => {
    operation.stopListening = undefined;
    stop();
  };
  return true;
}
