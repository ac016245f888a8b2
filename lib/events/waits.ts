import { checkOptions, checkSignal, checkTimeout, optionNames, shown } from '../arguments';
import { ClosedError, EventNotDeclaredError, PositionLostError } from '../errors';
import { clearTimeout, setImmediate, setTimeout } from '../platform';
import type { ClassDefinition } from '../schema/class';
import { onAbort } from '../transactions/abort';
import { WHOLE } from './change-log';
import { Filter } from './filter';
import type { Hub } from './hub';
import { formatPosition } from './position';
import { type Pulled, Puller } from './puller';
import { Tail } from './tail';
import type { EventNamed, EventOf, GapEvent } from './types';

export interface WaitOptions {
  /** ms; 0 checks without waiting. Default: no limit. */
  readonly timeout?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

const NAMES = optionNames<WaitOptions>({ timeout: true, signal: true });

/** How a wait ended. It rejects only on an abort, or when the database ends while the wait is not released. */
export type WaitResult<E> =
  | { readonly status: 'event'; readonly event: E }
  | { readonly status: 'timeout' }
  | { readonly status: 'released' }
  /** Events after the previous one are no longer kept; the next wait continues after the gap. */
  | { readonly status: 'gap'; readonly gap: GapEvent };

type EventNameOf<Classes extends readonly ClassDefinition[]> = Classes[number]['events'][number]['name'];
type EventWaitedFor<Classes extends readonly ClassDefinition[], Name> = Name extends string
  ? EventNamed<Classes[number], Name>
  : EventOf<Classes[number]>;
type AnyResult = WaitResult<unknown>;

/**
 * Waiting for events by name, as in eXtremeDB but without losing events. The first wait for a name, or listen(), opens
 * a cursor that stays open between waits, so that consecutive waits return consecutive events. Concurrent waits for a
 * name all get the same event.
 */
export class EventWaits<Classes extends readonly ClassDefinition[] = readonly ClassDefinition[]> {
  /**
   * Only for types. TypeScript computes the variance of the parameter once, cannot derive it from the return type of
   * wait(), and would refuse a database with classes where any database is accepted. A mapped type is compared member
   * by member.
   */
  declare protected readonly classes?: { -readonly [I in keyof Classes]: Classes[I] };
  readonly #hub: Hub;
  readonly #definitions: readonly ClassDefinition[];
  readonly #cursors = new Map<string, NamedCursor>();
  readonly #released = new Set<string>();
  readonly #onClose: () => void;
  #isReleased = false;

  constructor(hub: Hub, definitions: readonly ClassDefinition[], onClose: () => void = () => {}) {
    this.#hub = hub;
    this.#definitions = definitions;
    this.#onClose = onClose;
  }

  /**
   * Opens the cursor of a name; later commits will be delivered. EventNotDeclaredError for a name that no class
   * declares.
   */
  listen(name: EventNameOf<Classes> | number): void {
    this.#cursor(this.#nameOf(name));
  }

  /** The next event of the name, or of the number that eXtremeDB gives it: from 1 on in class order. */
  async wait<const Name extends EventNameOf<Classes> | number>(
    name: Name,
    options: WaitOptions = {},
  ): Promise<WaitResult<EventWaitedFor<Classes, Name>>> {
    checkOptions(options, NAMES);
    const { signal, timeout } = options;
    if (timeout !== undefined && timeout !== 0) checkTimeout(timeout);
    if (signal !== undefined) checkSignal(signal);
    const known = this.#nameOf(name);
    const cursor = this.#cursor(known);
    if (signal?.aborted) throw signal.reason;
    if (this.#isReleased || this.#released.has(known)) return { status: 'released' };
    return cursor.wait(timeout, signal) as Promise<WaitResult<EventWaitedFor<Classes, Name>>>;
  }

  /** wait() under its eXtremeDB name. */
  waitEvent<const Name extends EventNameOf<Classes> | number>(
    name: Name,
    options: WaitOptions = {},
  ): Promise<WaitResult<EventWaitedFor<Classes, Name>>> {
    return this.wait(name, options);
  }

  /** Ends all current and future waits for the name as 'released', until reset(). */
  release(name: EventNameOf<Classes> | number): void {
    const known = this.#nameOf(name);
    this.#released.add(known);
    this.#cursors.get(known)?.release();
  }

  /** Ends all current and future waits as 'released', until reset(). Other connections are not affected. */
  releaseAll(): void {
    this.#isReleased = true;
    for (const each of this.#cursors.values()) each.release();
  }

  /** releaseAll() under its eXtremeDB name. */
  releaseAllEvents(): void {
    this.releaseAll();
  }

  /** Allows waits again; events committed meanwhile are delivered. */
  reset(): void {
    this.#isReleased = false;
    this.#released.clear();
  }

  /** Ends the cursors. */
  close(): void {
    this.releaseAll();
    for (const each of this.#cursors.values()) each.close();
    this.#cursors.clear();
    this.#onClose();
  }

  #cursor(name: string): NamedCursor {
    let cursor = this.#cursors.get(name);
    if (cursor === undefined) {
      const definition = this.#definitions.find(({ events }) => events.some((event) => event.name === name));
      cursor = new NamedCursor(this.#hub, definition as ClassDefinition, name);
      this.#cursors.set(name, cursor);
    }
    return cursor;
  }

  #nameOf(name: unknown): string {
    const names = this.#definitions.flatMap(({ events }) => events.map((event) => event.name));
    const known = typeof name === 'number' ? names[name - 1] : names.find((each) => each === name);
    if (known === undefined) throw new EventNotDeclaredError(`no class has an event ${shown(name)}`);
    return known;
  }
}

interface Waiter {
  settle(result: AnyResult): void;
  fail(error: unknown): void;
  /** Called when no event is available yet: the timeout starts now. */
  hasNothing(): void;
}

/** The cursor of one name. It keeps the process alive only while somebody waits. */
class NamedCursor {
  readonly #hub: Hub;
  readonly #puller: Puller;
  readonly #waiters = new Set<Waiter>();
  #queue: Pulled[] = [];
  #tail: Tail | undefined;

  constructor(hub: Hub, definition: ClassDefinition, name: string) {
    this.#hub = hub;
    const event = definition.events.find((each) => each.name === name);
    const kind = event?.kind === 'fieldUpdate' ? `fieldUpdate:${event.field}` : String(event?.kind);
    const filter = new Filter(hub.log, [definition], [kind], {});
    this.#puller = new Puller(hub.log, filter, hub.now(), 'spill', 0);
  }

  wait(timeout: number | undefined, signal: AbortSignal | undefined): Promise<AnyResult> {
    return new Promise((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined;
      let stopListening = (): void => {};
      const end = (): void => {
        clearTimeout(timer);
        stopListening();
        this.#waiters.delete(waiter);
        if (this.#waiters.size === 0) this.#tail?.leave();
      };
      const settle = (result: AnyResult): void => {
        end();
        resolve(result);
      };
      const fail = (error: unknown): void => {
        end();
        reject(error);
      };
      const hasNothing = (): void => {
        if (timeout === 0) settle({ status: 'timeout' });
        else if (timeout !== undefined) timer ??= setTimeout(() => settle({ status: 'timeout' }), timeout);
      };
      const waiter: Waiter = { settle, fail, hasNothing };
      if (signal !== undefined) stopListening = onAbort(signal, () => fail(signal.reason));
      this.#waiters.add(waiter);
      if (this.#waiters.size === 1) void this.#follow();
      else this.#tail?.wake();
    });
  }

  release(): void {
    for (const each of this.#waiters) each.settle({ status: 'released' });
  }

  close(): void {
    this.release();
    this.#tail?.leave();
  }

  /**
   * Gives all waiters the same next event. It does so in a separate turn, so that all waits started in one turn get the
   * same event, whether or not it was committed by then.
   */
  async #follow(): Promise<void> {
    try {
      const tail = this.#listen();
      for (;;) {
        await new Promise((resolve) => setImmediate(resolve));
        // No wait can leave between this check and its result.
        if (tail.isEnded) return;
        const result = this.#take(() => tail.take());
        if (result !== undefined) {
          for (const each of this.#waiters) each.settle(result);
          return;
        }
        if (!tail.mayHaveMore) for (const each of this.#waiters) each.hasNothing();
        await tail.more();
      }
    } catch (error) {
      for (const each of this.#waiters) each.fail(error);
    }
  }

  #listen(): Tail {
    const tail = new Tail(this.#hub, this.#puller, (reason) => {
      for (const each of this.#waiters) each.fail(reason ?? new ClosedError('the database was closed'));
    });
    this.#tail = tail;
    return tail;
  }

  /** The next available event; calls `pull` when none is queued. */
  #take(pull: () => Pulled[]): AnyResult | undefined {
    if (this.#queue.length === 0) {
      try {
        this.#queue = pull();
      } catch (error) {
        if (!(error instanceof PositionLostError)) throw error;
        return this.#skipLost();
      }
    }
    const event = this.#queue.shift();
    return event === undefined ? undefined : { status: 'event', event };
  }

  #skipLost(): AnyResult {
    const { log } = this.#hub;
    const { place } = this.#puller;
    const to = { seq: log.head().oldest - 1, index: WHOLE };
    const from = formatPosition(log.epoch, place);
    this.#puller.skipTo(to);
    return {
      status: 'gap',
      gap: { kind: 'gap', from, to: formatPosition(log.epoch, to), dropped: undefined },
    };
  }
}
