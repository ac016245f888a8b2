import type { Database } from '../../lib/database.ts';
import { EvenkeelError } from '../../lib/errors.ts';
import { until } from './harness.mts';
import { keysOfServers } from './keys-of-servers.mts';

/** What is asked of one server, and what came of it. */
export class Share {
  readonly keys: readonly string[];
  /** ms, of each operation. */
  readonly timeout: number;
  started = 0;
  settled = 0;
  succeeded = 0;
  /** Messages of typed errors, each with how often it was seen. */
  readonly failures = new Map<string, number>();
  readonly wrong: string[] = [];
  /** It may have been started again, empty, or have executed late what it was sent on a connection that was given up. */
  forgets = false;

  constructor(keys: readonly string[], timeout: number) {
    this.keys = keys;
    this.timeout = timeout;
  }

  get failed(): number {
    return [...this.failures.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Resolves when so many more have succeeded. */
  async advance(count: number, what: string): Promise<void> {
    const goal = this.succeeded + count;
    await until(
      () => this.succeeded >= goal || this.wrong.length > 0,
      () => `${what}: ${JSON.stringify([this.succeeded, goal, [...this.failures]])}`,
    );
  }
}

/** Writes and reads of the keys of each server, one after the other for each key, until it is stopped. */
export class Load implements AsyncDisposable {
  readonly shares: readonly Share[];
  readonly #db: Database;
  readonly #loops: Promise<unknown>;
  #isStopped = false;

  /** `names`: the servers, as in the database's url. `timeouts`: in ms, for the keys of each. */
  constructor(db: Database, names: readonly string[], timeouts: readonly number[], keysEach = 16) {
    this.#db = db;
    this.shares = keysOfServers(names, keysEach).map(
      (own, server) => new Share(own, timeouts[server] as number),
    );
    const loop = (share: Share, key: string): Promise<void> => this.#loop(share, key);
    this.#loops = Promise.all(this.shares.flatMap((share) => share.keys.map((key) => loop(share, key))));
  }

  /** Resolves when everything that was started has settled. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#loops;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #loop(share: Share, key: string): Promise<void> {
    const { timeout } = share;
    let acknowledged = -1;
    for (let next = 0; !this.#isStopped; next += 1) {
      const written = await follow(share, () => this.#db.upsert(key, next, { timeout }));
      if (written !== undefined) acknowledged = next;
      const read = await follow(share, () => this.#db.get(key, { timeout }));
      if (read === undefined) continue;
      const { outcome } = read;
      const isOld = outcome === undefined ? -1 < acknowledged : Number(outcome) < acknowledged;
      if (!(outcome === undefined || typeof outcome === 'number'))
        share.wrong.push(`${key} is ${String(outcome)}`);
      else if ((isOld && !share.forgets) || Number(outcome) > next)
        share.wrong.push(`${key} is ${outcome}, ${acknowledged} was acknowledged, ${next} asked for`);
    }
  }
}

/** What it resolved to; undefined when it was rejected with an error of ours, and noted. */
async function follow(share: Share, call: () => Promise<unknown>): Promise<{ outcome: unknown } | undefined> {
  share.started += 1;
  try {
    const outcome = await call();
    share.succeeded += 1;
    return { outcome };
  } catch (error) {
    const message = String(error).replace(/key:\d+/g, 'key');
    if (!(error instanceof EvenkeelError)) share.wrong.push(`not one of our errors: ${message}`);
    share.failures.set(message, (share.failures.get(message) ?? 0) + 1);
    // A server that is known to be down refuses at once: other timers have their turn between two refusals.
    await new Promise((resolve) => setTimeout(resolve, 1));
    return undefined;
  } finally {
    share.settled += 1;
  }
}
