import { DiscardedError, EvenkeelError } from '../../errors';
import { reasonOf } from '../../transactions/abort';
import { nameOf, type Operation } from '../../transactions/operation';
import type { Transcoder } from '../../transactions/transcoder';
import { Overlay } from './overlay';
import { contextOf, executePlain } from './plain-operations';
import type { WriteBatch } from './write-batch';

/** The operations of a scheduling context. */
export class Group {
  readonly operations: Operation[] = [];

  add(operation: Operation): void {
    this.operations.push(operation);
  }

  signal(): AbortSignal | undefined {
    const signals = new Set(this.operations.flatMap(({ details }) => details?.signal ?? []));
    return signals.size === 0 ? undefined : AbortSignal.any([...signals]);
  }

  /** The shortest timeout of all operations, because they have one outcome. */
  timeout(standard: number): number {
    return Math.min(...this.operations.map(({ details }) => details?.timeout ?? standard));
  }
}

/** Names the failed operation to the others, which fail with it. */
class GroupFailure extends EvenkeelError {
  readonly #isOne = true;

  constructor(
    readonly operation: Operation,
    override readonly cause: unknown,
  ) {
    super('an operation of the scheduling context failed');
  }

  /** The thrown value may be a Proxy, so instanceof could run user code. */
  static is(value: unknown): value is GroupFailure {
    return typeof value === 'object' && value !== null && #isOne in value;
  }
}

export function executeTogether(
  batch: WriteBatch,
  operations: readonly Operation[],
  transcoder: Transcoder,
): (() => unknown)[] {
  const overlay = new Overlay(batch, batch.now);
  const results = operations.map((operation) => {
    try {
      return executePlain(overlay, operation, Buffer.from(operation.key), transcoder);
    } catch (error) {
      throw error instanceof EvenkeelError ? new GroupFailure(operation, error) : error;
    }
  });
  overlay.applyTo(batch);
  return results;
}

/** An abort of one operation ends the others with it. */
export function withOperationAtFault(operations: readonly Operation[], error: unknown): unknown {
  if (operations.length === 1) return error;
  const aborted = operations.find(
    ({ details }) => details?.signal?.aborted && reasonOf(details.signal) === error,
  );
  return aborted === undefined ? error : new GroupFailure(aborted, error);
}

/** The failed operation rejects first, so that Promise.all() reports its error. */
export function failAll(operations: readonly Operation[], error: unknown): void {
  if (GroupFailure.is(error)) error.operation.fail(error.cause);
  for (const operation of operations) {
    if (!GroupFailure.is(error)) operation.fail(error);
    else if (operation !== error.operation) {
      operation.fail(
        new DiscardedError(`${nameOf(operation.kind)}: another operation of the scheduling context failed`, {
          cause: error.cause,
          context: contextOf(operation),
        }),
      );
    }
  }
}
