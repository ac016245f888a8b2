import { ClosedError, DeadlockError } from '../errors';
import { Caller } from './caller';
import type { DurableKeeper } from './durable';
import type { Filter } from './filter';
import type { Hub } from './hub';
import type { ParkedEvent } from './parked';
import type { Source } from './puller';
import { type Handler, type Policy, Subscription } from './subscription';

/** A subscription that resumes where the previous one of the same name stopped. */
export class DurableSubscription<E = unknown> extends Subscription<E> {
  readonly #keeper: DurableKeeper;
  readonly #filter: Filter;
  readonly #replay = new Caller();

  constructor(
    hub: Hub,
    source: Source,
    handler: Handler<E>,
    policy: Policy,
    keeper: DurableKeeper,
    filter: Filter,
  ) {
    super(hub, source, handler, policy, { keeper });
    this.#keeper = keeper;
    this.#filter = filter;
    keeper.hold((error) => this.stop(error));
  }

  /** The events whose handler failed for good, with the error, in order. */
  parked(): ParkedEvent<E>[] {
    return this.#keeper.parked.list(this.#filter) as ParkedEvent<E>[];
  }

  /**
   * Calls the handler again with each parked event. Resolves to the number that it completed. DeadlockError when the
   * handler itself calls this.
   */
  async replayParked(): Promise<number> {
    if (this.isEnded) throw new ClosedError('the subscription has ended');
    if (this.#replay.isCalling)
      throw new DeadlockError('replayParked() in the handler of what it replays waits for that handler');
    const handler = this.#replay.mark(async (event: unknown) => {
      await this.handle(event as E);
    });
    return this.#keeper.parked.replay(this.#filter, handler, () => this.isEnded);
  }
}
