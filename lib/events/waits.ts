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
  /** ms; 0 only looks. Without one it waits for as long as it takes. */
  readonly timeout?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

const NAMES = optionNames<WaitOptions>({ timeout: true, signal: true });

/** How a wait ended. Only an abort, and an end of the database while it was not released, are errors. */
export type WaitResult<E> =
  | { readonly status: 'event'; readonly event: E }
  | { readonly status: 'timeout' }
  | { readonly status: 'released' }
  /** Events after the one before are not kept any more; the next wait goes on behind the gap. */
  | { readonly status: 'gap'; readonly gap: GapEvent };

type EventNameOf<Classes extends readonly ClassDefinition[]> = Classes[number]['events'][number]['name'];
type EventWaitedFor<Classes extends readonly ClassDefinition[], Name> = Name extends string
  ? EventNamed<Classes[number], Name>
  : EventOf<Classes[number]>;
type AnyResult = WaitResult<unknown>;

/**
 * Waiting for events by name, as with eXtremeDB, and without its losses: the first wait for a name, or listen(), opens a
 * cursor, which stays open between waits, so that each event is told by one wait after the other. Those who wait at the
 * same time are all told the same event.
 */
export class EventWaits<Classes extends readonly ClassDefinition[] = readonly ClassDefinition[]> {
  /**
   * Nothing but a type. TypeScript measures once how a class depends on its parameter, finds no rule in what wait() returns, and
   * would refuse a database with classes where any is taken; of a mapped type it compares the members.
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

  /** Opens the cursor of a name: what is committed from now on will be told. EventNotDeclaredError for a name no class has. */
  listen(name: EventNameOf<Classes> | number): void {
    this.#cursor(this.#nameOf(name));
  }

  /** The next event of the name; or of the number that eXtremeDB gives it, from 1 on in the order of the classes. */
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

  /** wait(), by the name it has in eXtremeDB. */
  waitEvent<const Name extends EventNameOf<Classes> | number>(
    name: Name,
    options: WaitOptions = {},
  ): Promise<WaitResult<EventWaitedFor<Classes, Name>>> {
    return this.wait(name, options);
  }

  /** Ends all waits for the name as 'released', those to come included, until reset(). */
  release(name: EventNameOf<Classes> | number): void {
    const known = this.#nameOf(name);
    this.#released.add(known);
    this.#cursors.get(known)?.release();
  }

  /** Ends all waits as 'released', those to come included, until reset(). Other connections are not concerned. */
  releaseAll(): void {
    this.#isReleased = true;
    for (const each of this.#cursors.values()) each.release();
  }

  /** releaseAll(), by the name it has in eXtremeDB. */
  releaseAllEvents(): void {
    this.releaseAll();
  }

  /** Waits wait again; what was committed meanwhile is told. */
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
  /** There is nothing for it so far: its time begins. */
  hasNothing(): void;
}

/** The events of one name, one after the other. Only while somebody waits does it keep the process alive. */
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
   * Tells those who wait the next event there is, all of them the same: in a turn of its own, so that whoever waits from
   * the same turn on waits with them, whether the event has been committed by then or not.
   */
  async #follow(): Promise<void> {
    try {
      const tail = this.#listen();
      for (;;) {
        await new Promise((resolve) => setImmediate(resolve));
        // Nobody can leave between this and being told.
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

  /** The next event of what there is, read by `pull` when there is no other. */
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
