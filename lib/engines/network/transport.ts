import type { Fleet } from '../../cluster/fleet';
import type { TopologyMonitor } from '../../cluster/topology';
import { ClosedError, type EvenkeelError, UnsupportedError } from '../../errors';
import type { EventBase, Timers } from '../../event-base/event-base';
import type { NativeClient } from '../../native/addon';
import * as layout from '../../native/layout';
import type { SlowOperations } from '../../observability/slow-operations';
import type { TransportStats } from '../../observability/stats';
import { clearTimeout, dateNow, performanceNow, setTimeout } from '../../platform';
import type { Compound, Waiting } from '../../transactions/compound';
import type { CollectionName, DocumentEngine } from '../../transactions/documents';
import { type Details, nameOf, type Operation } from '../../transactions/operation';
import type { Transcoder } from '../../transactions/transcoder';
import type { Transport } from '../engine';
import { Waiters } from '../waiters';
import { Cluster } from './cluster';
import { Completions } from './completions';
import type { Connector } from './connector';
import { ControlRecords } from './control-records';
import type { Dialect } from './dialect';
import { Drain, type DrainSite } from './drain';
import type { Extension, Wait } from './extension';
import { GivenBack } from './given-back';
import { listen } from './listening';
import { nativeOptionsOf, type ResolvedClientOptions } from './options';
import { Parameters } from './parameters';
import { Parking } from './parking';
import { closedError, isOfTheMoment, Refusals } from './refusals';
import { contextOf, Settler } from './settler';
import { TickFlush } from './tick-flush';
import { UnderWay } from './under-way';

/** One event base's connections to the servers of a fleet, and the operations under way on it; in the words of an engine's dialect. */
export class NativeTransport implements Transport, DrainSite {
  readonly transcoder: Transcoder;
  readonly mayBeUnversioned: boolean;
  readonly withoutMeta: string | undefined;
  readonly #base: EventBase;
  readonly #cluster: Cluster;
  readonly #options: ResolvedClientOptions;
  readonly #native: NativeClient;
  readonly #dialect: Dialect;
  readonly #codes: readonly number[];
  readonly #extension: Extension | undefined;
  readonly #parking: Parking;
  readonly #refusals: Refusals;
  readonly #parameters: Parameters;
  readonly #words: Uint32Array;
  readonly #settler: Settler;
  readonly #givenBack = new GivenBack();
  readonly #drain: Drain;
  readonly #tick: TickFlush;
  readonly #underWay = new UnderWay();
  #closed = false;
  #closing: Promise<void> | undefined;
  readonly #whenIdle = new Waiters();
  readonly #waiting = new Set<Waiting>();
  /** While what is submitted has been found to fit: CODE_FITS. */
  #fits = 0;
  /** While what is submitted is to be sent together: the collections without which it cannot be. */
  #batch = ALONE;
  /** While what is submitted continues a call under way. */
  #continuing = false;
  #whenEnded: (() => void)[] = [];
  #ended = false;
  #isBaseClosed = false;

  constructor(
    base: EventBase,
    fleet: Fleet,
    dialect: Dialect,
    options: ResolvedClientOptions,
    transcoder: Transcoder,
    timers: Timers,
    slow: SlowOperations | undefined,
  ) {
    this.#base = base;
    this.#dialect = dialect;
    this.#codes = dialect.codes;
    this.#extension = dialect.extension;
    this.#parking = new Parking(this, timers);
    this.#options = options;
    this.transcoder = transcoder;
    this.mayBeUnversioned = dialect.mayBeUnversioned;
    this.withoutMeta = dialect.withoutMeta;
    this.#parameters = new Parameters(options.timeout);
    this.#words = this.#parameters.words;
    const completions = new Completions(transcoder);
    const native = base.createClient(
      nativeOptionsOf(options, slow?.threshold),
      this.#parameters.words,
      completions.records,
      () => this.#drain.run(),
      this.#onBaseClosed,
    );
    const givenBack = this.#givenBack;
    const cluster = new Cluster(fleet, native, options, dialect, timers);
    const control = new ControlRecords(native, completions, cluster, dialect);
    const settler = new Settler(
      dialect,
      cluster,
      native,
      completions,
      options,
      slow,
      this.#parking,
      givenBack,
    );
    this.#native = native;
    this.#cluster = cluster;
    this.#refusals = new Refusals(cluster, dialect, options);
    this.#settler = settler;
    this.#drain = new Drain(this, native, completions, cluster, control, settler, givenBack, this.#underWay);
    this.#tick = new TickFlush(base, native, options.implicitFlush);
  }

  get node(): string | undefined {
    return this.#cluster.onlyName;
  }

  get topology(): TopologyMonitor {
    return this.#cluster.topology;
  }

  now(): number {
    return dateNow();
  }

  documents(feature: string): DocumentEngine {
    const { documents, engine } = this.#dialect;
    if (documents === undefined) throw new UnsupportedError(`the ${engine} engine has no ${feature}`);
    return documents;
  }

  get timeout(): number {
    return this.#options.timeout;
  }

  async ready(deadline = performanceNow() + this.#options.connectTimeout): Promise<void> {
    if (this.#closed) throw this.#closedError();
    this.#base.ref();
    try {
      await this.#cluster.ready(deadline);
    } finally {
      this.#base.unref();
    }
  }

  dispatch<T>(operation: Operation): Promise<T> {
    const refused = this.#submit(operation);
    if (refused === undefined) return operation.promise<T>();
    if (!isOfTheMoment(refused)) throw refused;
    return Promise.reject(refused);
  }

  dispatchMany<R>(many: Compound<R>): Promise<R> {
    try {
      many.start(this);
    } catch (error) {
      if (!isOfTheMoment(error)) throw error;
      return Promise.reject(error);
    }
    return many.promise;
  }

  available(): number {
    return this.#native.available();
  }

  fits(operations: number, bytes: number): boolean {
    return this.#native.fits(operations, bytes);
  }

  submit(operation: Operation): void {
    const refused = this.#submit(operation);
    if (refused !== undefined) throw refused;
  }

  check(key: string, value: string | Uint8Array | undefined, collection: CollectionName | undefined): number {
    if (this.#closed) throw this.#closedError();
    this.#prepareCheck(collection, 0);
    const bytes = value === undefined ? this.#native.check(key) : this.#native.check(key, value);
    if (bytes < 0) throw this.#refusals.errorOfCheck(bytes, collection);
    return bytes;
  }

  cancel(operation: Operation): void {
    const { slot } = operation;
    const { bySlot } = this.#underWay;
    this.#parking.cancel(operation);
    if (slot < 0 || bySlot[slot] !== operation) return;
    bySlot[slot] = undefined;
    operation.slot = -1;
    operation.stopListening?.();
    this.#native.cancel(slot);
    this.#underWay.count -= 1;
    this.checkIdle();
  }

  wait(waiting: Waiting): void {
    this.#waiting.add(waiting);
  }

  stopWaiting(waiting: Waiting): void {
    if (this.#waiting.delete(waiting)) this.checkIdle();
  }

  resume<R>(start: () => R, isHeld = false): R {
    const before = this.#continuing;
    this.#tick.hold();
    this.#continuing = true;
    try {
      return start();
    } finally {
      this.#continuing = before;
      if (isHeld) this.#tick.hold();
      else this.#tick.flushContinued();
    }
  }

  resumeAt(server: Connector, submitReady: () => void, submitWithheld: () => void): void {
    this.#cluster.handBack(server, () => {
      this.resume(submitReady);
      const before = this.#continuing;
      this.#continuing = true;
      submitWithheld();
      this.#continuing = before;
      this.#tick.hold();
    });
  }

  proceed(): void {
    for (const waiting of this.#waiting) this.resume(() => waiting.proceed());
  }

  get isEnding(): boolean {
    return this.#isBaseClosed || this.#ended;
  }

  get isBaseClosed(): boolean {
    return this.#isBaseClosed;
  }

  keepAlive(doesSo: boolean): void {
    if (doesSo) this.#base.ref();
    else this.#base.unref();
  }

  /** How many operations have not settled. */
  get #unsettled(): number {
    const waiting = this.#givenBack.size + this.#parking.size;
    return this.#underWay.count + this.#settler.failing.size + waiting;
  }

  get isIdle(): boolean {
    return this.#unsettled === 0 && this.#waiting.size === 0;
  }

  whenIdle(callback: () => void): () => void {
    return this.#whenIdle.add(callback);
  }

  flush(): void {
    this.#parking.flushed();
    this.#tick.flush();
  }

  /** The end of the tick sends it as one run. */
  together(collections: readonly CollectionName[], start: () => void): void {
    this.#fits = layout.CODE_FITS;
    this.#batch = this.#extension?.unknownOf(collections) ?? ALONE;
    try {
      start();
    } finally {
      this.#fits = 0;
      this.#batch = ALONE;
    }
  }

  stats(): TransportStats {
    const queuedBytes = this.#native.queuedBytes();
    return { underWay: this.#unsettled, queuedBytes, nodes: this.#cluster.stats(), storage: undefined };
  }

  version(): string | undefined {
    return this.#cluster.version;
  }

  refuse(): void {
    this.#closed = true;
    this.#settler.closed ??= 'the database';
    this.#tick.refuse();
  }

  close(drainTimeout: number): Promise<void> {
    this.#closing ??= this.#close(drainTimeout);
    return this.#closing;
  }

  async #close(drainTimeout: number): Promise<void> {
    this.refuse();
    if (this.#ended) return;
    this.#base.ref();
    this.#parking.flushed();
    this.#tick.close();
    this.#cluster.refuse(this.#closedError());
    if (!this.isIdle) await this.#drained(drainTimeout);
    if (!this.#ended) {
      const ended = new Promise<void>((resolve) => this.#whenEnded.push(resolve));
      this.#native.close();
      await ended;
    }
    this.#base.release(this.#onBaseClosed);
    this.#base.unref();
  }

  /** Resolves when nothing is under way any more, or after the timeout. */
  #drained(timeout: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeout);
      this.#whenIdle.add(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #submit(operation: Operation): EvenkeelError | undefined {
    const { details: detail, value } = operation;
    if (this.#closed && !this.#continuing) return this.#closedError();
    const isBare = detail === undefined && this.#extension === undefined;
    const bits = isBare ? this.#fits : this.#prepare(operation, detail);
    if (typeof bits !== 'number') return bits;
    if (bits < 0) return undefined;
    const p = this.#words;
    p[layout.PARAM_CODE] = (this.#codes[operation.kind] as number) | bits;
    if (value !== undefined) this.#submitValue(operation, value);
    else if (detail?.server === undefined) this.#native.submit(operation.key);
    else this.#submitTo(detail.server, operation.key);
    const slot = (p[layout.PARAM_SLOT] as number) | 0;
    if (detail !== undefined) this.#parameters.reset();
    if (slot < 0) return this.#refused(operation, slot);
    if (this.#dialect.mayBeLookedAfter(operation.kind)) this.#settler.keep(operation);
    operation.slot = slot;
    operation.attempts += 1;
    this.#underWay.bySlot[slot] = operation;
    this.#underWay.count += 1;
    this.#tick.schedule();
    return undefined;
  }

  // Apart from #submit(), as those that follow, which would be too long for V8 to inline.
  /** The CODE_… bits of the call, or why it is refused; less than 0 when its signal has ended it, or it has to wait. */
  #prepare(operation: Operation, detail: Details | undefined): number | EvenkeelError {
    let bits = this.#fits;
    if (detail !== undefined) bits |= layout.CODE_DETAILED;
    if (detail?.newCas !== undefined) bits |= this.#refusals.newCasBits(operation);
    if (this.#extension !== undefined) {
      const more = this.#extension.prepare(operation, this.#words, this.#options.timeout, this.#batch);
      if (typeof more !== 'number') return this.#park(operation, more) ?? -1;
      if (this.#parking.holdsBack(operation)) return this.#park(operation, NOTHING) ?? -1;
      bits |= more;
      if (operation.course?.isAccepted) bits |= layout.CODE_ACCEPTED;
    }
    if (detail === undefined) return bits;
    if (detail.signal !== undefined && !listen(operation, detail.signal, this)) return -1;
    this.#parameters.set(operation, detail);
    return bits;
  }

  #park(operation: Operation, wait: Wait): EvenkeelError | undefined {
    const isHeld = !this.#continuing && !this.#options.implicitFlush;
    const refused = this.#parking.park(operation, wait, isHeld);
    if (refused < 0) return this.#refused(operation, refused);
    this.#settler.keepValue(operation);
    return undefined;
  }

  setAside({ key, value, collection }: Operation, isAccepted: boolean): number {
    this.#prepareCheck(collection, isAccepted ? layout.CODE_ACCEPTED : 0);
    return value === undefined ? this.#native.setAside(key) : this.#native.setAside(key, value);
  }

  giveBack(bytes: number): void {
    this.#native.giveBack(bytes);
  }

  #prepareCheck(collection: CollectionName | undefined, bits: number): void {
    const more = this.#extension?.prepareCheck(collection, this.#words) ?? 0;
    this.#words[layout.PARAM_CODE] = bits | more;
  }

  #submitValue(operation: Operation, value: string | Uint8Array): void {
    const p = this.#words;
    p[layout.PARAM_FLAGS] = operation.flags;
    if (typeof value === 'string') {
      p[layout.PARAM_UNITS] = value.length;
      p[layout.PARAM_CODE] = (p[layout.PARAM_CODE] as number) | layout.CODE_STRING_VALUE;
    }
    this.#native.submitValue(operation.key, value);
    if (this.#cluster.mayReturn || this.#extension !== undefined) this.#settler.keepValue(operation);
  }

  #refused(operation: Operation, code: number): EvenkeelError {
    operation.stopListening?.();
    return this.#refusals.errorOf(operation, code);
  }

  #submitTo(server: string, argument: string): void {
    const id = this.#cluster.idOf(server);
    if (id === undefined) this.#words[layout.PARAM_SLOT] = layout.REFUSED_NO_SERVER;
    else this.#native.submitTo(id, argument);
  }

  /** The base went away underneath; what it knew of its operations is there to be taken, and nothing more will come. */
  readonly #onBaseClosed = (): void => {
    this.refuse();
    this.#settler.closed = 'its event base';
    this.#isBaseClosed = true;
    this.#cluster.refuse(this.#closedError());
    this.#drain.run();
  };

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#givenBack.giveUp((operation) => this.#failClosed(operation));
    if (this.#isBaseClosed) this.#failUnseen();
    this.#drain.end();
    this.#cluster.stop();
    this.#tick.end();
    for (const waiting of this.#waiting) waiting.giveUp(this.#closedError());
    this.checkIdle();
    for (const resolve of this.#whenEnded.splice(0)) resolve();
  }

  /** The base has never seen them. */
  #failUnseen(): void {
    const { bySlot } = this.#underWay;
    for (const [slot, operation] of bySlot.entries()) {
      if (operation === undefined) continue;
      bySlot[slot] = undefined;
      operation.slot = -1;
      this.#failClosed(operation);
      this.#underWay.count -= 1;
    }
  }

  #failClosed(operation: Operation): void {
    const message = `${nameOf(operation.kind)}: ${this.#settler.closed} was closed`;
    operation.fail(new ClosedError(message, { context: contextOf(operation, this.#cluster.onlyName) }));
  }

  #closedError(): ClosedError {
    return closedError(this.#cluster.onlyName, this.#isBaseClosed ? 'the event base' : 'the database');
  }

  checkIdle(): void {
    if (!this.#whenIdle.isEmpty && this.isIdle) this.#whenIdle.callAll();
  }
}

/** Of an operation that only has to stay behind others. */
const NOTHING: Wait = { until: Promise.resolve(), why: () => undefined, mayBePassed: false };

const ALONE: readonly CollectionName[] = [];
