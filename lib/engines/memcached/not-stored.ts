import { type EvenkeelError, InvalidArgumentError, KeyNotFoundError, ServerError } from '../../errors';
import { withoutStack } from '../../stacks';
import { details, Kind, nameOf, Operation } from '../../transactions/operation';
import type { Look } from '../network/dialect';

export const isExtension = (kind: Kind): boolean => kind === Kind.append || kind === Kind.prepend;

/**
 * memcached answers append and prepend with 0x05 both when there is no record and when the record would become too
 * large. A second request finds out which, and ends the operation. If the record exists, it may have been written
 * since, so the operation is submitted once more; nothing was stored before.
 */
export function lookForRecord(operation: Operation, { timeout, context, again }: Look): Operation {
  const op = nameOf(operation.kind);
  const fail = (make: () => EvenkeelError): void => operation.fail(withoutStack(make));
  return new Operation(
    Kind.exists,
    operation.key,
    undefined,
    { ...details(), timeout },
    {
      add: (_, isThere) => {
        if (isThere && again !== undefined) return again();
        fail(() =>
          isThere
            ? new InvalidArgumentError(
                `${op}: with this value the record would be larger than the server accepts`,
                {
                  context: { ...context, argument: 'value' },
                },
              )
            : new KeyNotFoundError(`${op}: there is no record under this key`, { context }),
        );
      },
      fail: (_, cause) =>
        fail(
          () =>
            new ServerError(
              `${op}: nothing was stored: there is no record under this key, or it would be too large`,
              { cause, context, retryable: true },
            ),
        ),
    },
  );
}
