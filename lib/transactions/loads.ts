import { performanceNow } from '../platform';
import { onAbort, reasonOf } from './abort';
import { type Patience, timeLeft } from './crowd';
import { checkLoad, type Loader, type LoadOptions, type Wanted } from './load-options';
import { type Claim, Loading, type LoadSite, release } from './loading';
import { details, Kind, Operation } from './operation';
import { TakenClaims } from './taken-claims';
import { assertMeta } from './transactions';
import { Watch } from './watch';

/**
 * getOrLoad() of one event base. Every call reads for itself. The server tells exactly one reader among all processes
 * that it has won; this one loads, and the calls of this event base that find no value join it. When another process
 * has won, one call here polls for the value.
 */
export class Loads {
  readonly #site: LoadSite;
  readonly #loading = new Map<string, Loading>();
  readonly #watches = new Map<string, Watch>();
  readonly #taken = new TakenClaims();

  constructor(site: LoadSite) {
    this.#site = site;
  }

  /** Throws what the call should throw. */
  getOrLoad<T>(key: string, loader: Loader<T>, options: LoadOptions<T>): Promise<T | undefined> {
    assertMeta(this.#site, Kind.getOrLoad);
    const wanted = checkLoad(key, loader, options, () => this.#site.now());
    const { signal, timeout = this.#site.timeout } = wanted;
    if (signal?.aborted) {
      this.#site.check(key, undefined, undefined);
      return Promise.reject(reasonOf(signal));
    }
    const patience = { until: performanceNow() + timeout, signal };
    return this.#follow(wanted, patience, this.#read(wanted, timeout)) as Promise<T | undefined>;
  }

  async #follow(wanted: Wanted, patience: Patience, read: Promise<Claim | undefined>): Promise<unknown> {
    const { key } = wanted;
    let claim = await this.#unlessAborted(wanted, read);
    while (!claim?.isWon) {
      if (claim?.isThere) {
        this.#watchOver(wanted, claim);
        return claim.value;
      }
      const loading = this.#loading.get(key);
      if (loading !== undefined) return loading.join(patience);
      if (claim === undefined) break; // the server had no memory for a claim
      const seen = await this.#watch(wanted).join(patience);
      claim = seen.claim ?? (await this.#readAgain(wanted, patience));
    }
    const loading = this.#load(wanted, claim);
    const value = claim?.isThere ? claim.value : loading.join(patience);
    void loading.run();
    return value;
  }

  /** Ends an overdue claim of another client on a stale record; the server would keep it for as long as the record. */
  #watchOver({ key, lease }: Wanted, claim: Claim): void {
    if (!claim.isTaken) this.#taken.forget(key);
    else if (this.#taken.isOverdue(key, claim, lease)) release(this.#site, key, claim);
  }

  /** An aborted caller does not cancel the read: the claim may have been won and must then be released. */
  #unlessAborted(wanted: Wanted, read: Promise<Claim | undefined>): Promise<Claim | undefined> {
    const { signal, key } = wanted;
    if (signal === undefined) return read;
    return new Promise((resolve, reject) => {
      let isAborted = false;
      const stop = onAbort(signal, (reason) => {
        isAborted = true;
        reject(reason);
      });
      read.then(
        (claim) => {
          stop();
          resolve(claim);
          if (isAborted && claim?.isWon) release(this.#site, key, claim);
        },
        (error: unknown) => {
          stop();
          reject(error);
        },
      );
    });
  }

  #load(wanted: Wanted, claim: Claim | undefined): Loading {
    const { key } = wanted;
    const loading = new Loading(this.#site, wanted, claim, () => {
      if (this.#loading.get(key) === loading) this.#loading.delete(key);
    });
    this.#loading.set(key, loading);
    return loading;
  }

  #watch(wanted: Wanted): Watch {
    const { key } = wanted;
    let watch = this.#watches.get(key);
    if (watch === undefined) {
      watch = new Watch(
        this.#site,
        key,
        (timeout) => this.#site.resume(() => this.#read(wanted, timeout)),
        () => this.#watches.delete(key),
      );
      this.#watches.set(key, watch);
    }
    return watch;
  }

  #readAgain(wanted: Wanted, patience: Patience): Promise<Claim | undefined> {
    const read = this.#site.resume(() => this.#read(wanted, timeLeft(patience)));
    return this.#unlessAborted(wanted, read);
  }

  #read({ key, lease, recache }: Wanted, timeout: number): Promise<Claim | undefined> {
    const detail = { ...details(), expiry: lease, recache, timeout };
    return this.#site.dispatch(new Operation(Kind.getOrLoad, key, undefined, detail, undefined));
  }
}
