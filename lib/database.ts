import { checkOptions, checkTimeout, invalidArgument } from './arguments';
import type { Capabilities, Transport } from './engines/engine';
import { ClosedError } from './errors';
import { EventBase } from './event-base/event-base';
import { SchedulingContext } from './scheduling/context';
import { Transactions } from './transactions/transactions';

/** The results of what a scheduling function returned: of each member of an array, or of the one thing. */
export type Scheduled<R> = R extends readonly unknown[]
  ? { -readonly [K in keyof R]: Awaited<R[K]> }
  : Awaited<R>;

/** A database as seen from one event base: its operations start and complete there. */
export class BaseView extends Transactions {
  readonly #transport: Transport;
  readonly eventBase: EventBase;

  constructor(eventBase: EventBase, transport: Transport) {
    super(transport);
    this.eventBase = eventBase;
    this.#transport = transport;
  }

  /** Opens a scheduling context. Forgotten without leave() or fail(), its promises stay pending. */
  enter(): SchedulingContext {
    return new SchedulingContext(this.#transport);
  }

  /**
   * Runs `fn` with a context of its own, synchronously: leaves when it returns, fails and rethrows (as a rejection)
   * when it throws. Resolves to the results of what it returned.
   */
  async schedule<R>(fn: (context: SchedulingContext) => R): Promise<Scheduled<R>> {
    if (typeof fn !== 'function') throw invalidArgument('fn', 'fn is a function');
    const context = this.enter();
    let returned: R;
    try {
      returned = fn(context);
    } catch (error) {
      context.fail();
      throw error;
    }
    context.leave();
    return (Array.isArray(returned) ? await Promise.all(returned) : await returned) as Scheduled<R>;
  }

  /** Writes what waits for it; needed only with `implicitFlush: false`. */
  flush(): void {
    this.#transport.flush();
  }

  /** The server's version as of the last handshake; rejects with ConnectionError when there is no connection in time. */
  async version(): Promise<string> {
    await this.#transport.ready();
    return this.#transport.version() ?? '';
  }
}

export interface CloseOptions {
  /** How long operations under way may take to finish, in ms; what is left then rejects with ClosedError. */
  readonly timeout?: number;
}

/** A database, from connect(). Its own operations run on the event base given there. */
export class Database extends BaseView {
  readonly capabilities: Capabilities;
  readonly #createTransport: (base: EventBase) => Transport;
  readonly #views = new Map<EventBase, { readonly view: BaseView; readonly transport: Transport }>();
  readonly #drainTimeout: number;
  #closing: Promise<void> | undefined;

  constructor(setup: {
    eventBase: EventBase;
    transport: Transport;
    createTransport: (base: EventBase) => Transport;
    capabilities: Capabilities;
    drainTimeout: number;
  }) {
    super(setup.eventBase, setup.transport);
    this.capabilities = setup.capabilities;
    this.#createTransport = setup.createTransport;
    this.#drainTimeout = setup.drainTimeout;
    this.#views.set(setup.eventBase, { view: this, transport: setup.transport });
  }

  /**
   * The database on another base, with a connection of its own, made at the first use of the base.
   * Throws CrossThreadError for a base of another thread, ClosedError when either is closed.
   */
  via(base: EventBase): BaseView {
    EventBase.check(base);
    if (this.closed) throw new ClosedError('the database is closed');
    const known = this.#views.get(base);
    if (known !== undefined) return known.view;
    const transport = this.#createTransport(base);
    const view = new BaseView(base, transport);
    // What ran on bases that are closed by now has ended with them.
    for (const each of this.#views.keys())
      if (each.closed && each !== this.eventBase) this.#views.delete(each);
    this.#views.set(base, { view, transport });
    return view;
  }

  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /**
   * Refuses new operations, lets those under way finish for at most `timeout` ms (the client's timeout without it),
   * rejects the rest with ClosedError, and resolves when no socket is left. Closing again waits for the same end.
   */
  close(options: CloseOptions = {}): Promise<void> {
    checkOptions(options);
    const timeout = options.timeout === undefined ? this.#drainTimeout : checkTimeout(options.timeout);
    this.#closing ??= this.#close(timeout);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(timeout: number): Promise<void> {
    await Promise.all([...this.#views.values()].map(({ transport }) => transport.close(timeout)));
  }
}
