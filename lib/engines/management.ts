import { EventBase, type Registration } from '../event-base/event-base';
import { clearTimeout, performanceNow, setTimeout } from '../platform';

/** The event base for a database's management: the transactions' base, one created for it, or one of the user's. */
export type ManagementBase = 'shared' | 'internal' | EventBase;

/**
 * The base for operations that name none. It is a function because the host base is created on the first access, after
 * all arguments have been checked.
 */
export interface Bases {
  readonly eventBase: () => EventBase;
  readonly managementBase: unknown;
}

/** The event base for timers that belong to no operation: resolving, waiting for connections, polling, sweeping. */
export class Management {
  readonly base: EventBase;
  readonly #own: EventBase | undefined;

  /** Throws InvalidArgumentError (`managementBase`), or CrossThreadError for a base of another thread. */
  static check(given: unknown = 'shared'): ManagementBase {
    if (given === 'shared' || given === 'internal') return given;
    return EventBase.check(given, 'managementBase');
  }

  /** `shared` is the transactions' base. Throws ResourceError when no thread can be created. */
  constructor(where: ManagementBase, shared: EventBase) {
    if (where === 'internal') this.#own = EventBase.create({ name: 'evenkeel-admin' });
    this.base = this.#own ?? (where instanceof EventBase ? where : shared);
  }

  /** The base for connections that belong to no operation: the thread's own one if the management base is closed. */
  get openBase(): EventBase {
    return this.base.closed ? EventBase.host : this.base;
  }

  /**
   * Calls back once after `delay` ms; does not keep the process alive. When the base closes, the thread's own timers
   * take over without extra delay.
   */
  timer(delay: number, callback: () => void): Registration {
    if (this.base.closed) return threadTimer(delay, callback);
    const due = performanceNow() + delay;
    let moved: Registration | undefined;
    const onClosed = (): void => {
      moved = threadTimer(Math.max(0, due - performanceNow()), callback);
    };
    const timer = this.base.timer(delay, () => {
      this.base.release(onClosed);
      callback();
    });
    this.base.attach(onClosed);
    const cancel = (): void => {
      this.base.release(onClosed);
      timer.cancel();
      moved?.cancel();
    };
    return { cancel, [Symbol.dispose]: cancel };
  }

  async close(): Promise<void> {
    await this.#own?.close();
  }
}

function threadTimer(delay: number, callback: () => void): Registration {
  const timer = setTimeout(callback, delay).unref();
  const cancel = (): void => clearTimeout(timer);
  return { cancel, [Symbol.dispose]: cancel };
}
