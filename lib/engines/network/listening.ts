import { queueMicrotask } from '../../platform';
import { onAbort, reasonOf } from '../../transactions/abort';
import type { Operation } from '../../transactions/operation';

/**
 * Lets the signal end the operation. Returns false when the signal has already aborted, so that nothing must be sent;
 * the operation then rejects after the call, like any other.
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
