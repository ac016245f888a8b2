import type { Registration } from '../../event-base/event-base';
import type { Operation } from '../../transactions/operation';
import type { Wait } from './extension';

/** An operation that is parked. */
export interface Parked {
  readonly operation: Operation;
  readonly wait: Wait;
  /** Identifies its key; undefined: it is in no line. */
  readonly line: string | undefined;
  /** Counted in the limits of the client. */
  readonly bytes: number;
  readonly timer: Registration;
  stopListening: (() => void) | undefined;
  /** What it waits for is there. */
  isReady: boolean;
  /** It waits for a flush() of the user as well. */
  isHeld: boolean;
  /** Its neighbours in the line. */
  earlier: Parked | undefined;
  later: Parked | undefined;
}

interface Line {
  first: Parked | undefined;
  last: Parked | undefined;
}

const orderOf = ({ course }: Operation): number => course?.order ?? 0;

/** The key of an operation on the active copy of a record, with its collection. */
export function lineOf({ key, collection, details }: Operation): string | undefined {
  if (details?.server !== undefined || (details?.document?.replica ?? 0) > 0) return undefined;
  return collection === undefined ? `\0${key}` : `${collection.scope}.${collection.name}\0${key}`;
}

/** Parked operations by key, in the order of their calls. */
export class Lines {
  readonly #lines = new Map<string, Line>();

  add(parked: Parked): void {
    if (parked.line === undefined) return;
    const line = this.#lines.get(parked.line) ?? { first: undefined, last: undefined };
    this.#lines.set(parked.line, line);
    const order = orderOf(parked.operation);
    let earlier = line.last;
    while (earlier !== undefined && orderOf(earlier.operation) > order) earlier = earlier.earlier;
    parked.earlier = earlier;
    parked.later = earlier === undefined ? line.first : earlier.later;
    link(line, earlier, parked);
    link(line, parked, parked.later);
  }

  remove(parked: Parked): void {
    const line = parked.line === undefined ? undefined : this.#lines.get(parked.line);
    if (parked.line === undefined || line === undefined) return;
    link(line, parked.earlier, parked.later);
    parked.earlier = parked.later = undefined;
    if (line.first === undefined) this.#lines.delete(parked.line);
  }

  /** The earlier operation of its key behind which the operation has to stay. */
  obstacleTo(operation: Operation): Parked | undefined {
    const line = lineOf(operation);
    let parked = line === undefined ? undefined : this.#lines.get(line)?.first;
    while (parked?.wait.mayBePassed) parked = parked.later;
    return parked !== undefined && orderOf(parked.operation) < orderOf(operation) ? parked : undefined;
  }

  /** The next one that may be submitted. */
  next(line: string): Parked | undefined {
    let parked = this.#lines.get(line)?.first;
    while (parked !== undefined && !parked.isReady && parked.wait.mayBePassed) parked = parked.later;
    return parked?.isReady ? parked : undefined;
  }
}

/** Makes two that may be missing neighbours. */
function link(line: Line, earlier: Parked | undefined, later: Parked | undefined): void {
  if (earlier === undefined) line.first = later;
  else earlier.later = later;
  if (later === undefined) line.last = earlier;
  else later.earlier = earlier;
}
