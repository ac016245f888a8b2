import type { Fleet } from '../../cluster/fleet';
import type { TopologyMonitor } from '../../cluster/topology';
import {
  BackpressureError,
  ClosedError,
  ConnectionError,
  type EvenkeelError,
  UnsupportedError,
} from '../../errors';
import type { EventBase, Timers } from '../../event-base/event-base';
import type { NativeClient } from '../../native/addon';
import * as layout from '../../native/layout';
import type { SlowOperations } from '../../observability/slow-operations';
import type { TransportStats } from '../../observability/stats';
import { clearTimeout, dateNow, setTimeout } from '../../platform';
import type { Compound, Waiting } from '../../transactions/compound';
import type { DocumentEngine } from '../../transactions/documents';
import { type Details, nameOf, type Operation } from '../../transactions/operation';
import type { Transcoder } from '../../transactions/transcoder';
import type { Transport } from '../engine';
import { Waiters } from '../waiters';
import { Cluster } from './cluster';
import { Completions } from './completions';
import type { Dialect } from './dialect';
import type { Extension } from './extension';
import { Handshakes } from './handshakes';
import { listen } from './listening';
import { nativeOptionsOf, type ResolvedClientOptions } from './options';
import { Parameters } from './parameters';
import { Parking } from './parking';
import { closedError, refusalError } from './refusals';
import { contextOf, Settler } from './settler';
import { TickFlush } from './tick-flush';

/** One event base's connections to the servers of a fleet, and the operations under way on it; in the words of an engine's dialect. */
export class NativeTransport implements Transport {
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
  readonly #handshakes: Handshakes;
  readonly #parameters: Parameters;
  readonly #words: Uint32Array;
  readonly #completions: Completions;
  readonly #settler: Settler;
  readonly #tick: TickFlush;
  readonly #pending: (Operation | undefined)[] = [];
  #underWay = 0;
  #closed = false;
  #closing: Promise<void> | undefined;
  readonly #whenIdle = new Waiters();
  readonly #waiting = new Set<Waiting>();
  /** While what is submitted has been found to fit: CODE_FITS. */
  #fits = 0;
  /** While what is submitted continues a call under way. */
  #continuing = false;
  #whenEnded: (() => void)[] = [];
  #ended = false;
  #isDraining = false;
  /** Operations are left that are to fail in other turns of the loop. */
  #failsOn = false;
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
    this.#completions = new Completions(transcoder);
    this.#native = base.createClient(
      nativeOptionsOf(options, slow?.threshold),
      this.#parameters.words,
      this.#completions.records,
      () => this.#drain(),
      this.#onBaseClosed,
    );
    this.#handshakes = new Handshakes(this.#native);
    this.#tick = new TickFlush(base, this.#native, options.implicitFlush);
    this.#cluster = new Cluster(fleet, this.#native, options, dialect, timers);
    this.#settler = new Settler(
      dialect,
      this.#cluster,
      this.#native,
      this.#completions,
      options,
      slow,
      this.#parking,
    );
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

  async ready(): Promise<void> {
    if (this.#closed) throw this.#closedError();
    this.#base.ref();
    try {
      await this.#cluster.ready();
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

  check(key: string, value: string | Uint8Array | undefined): number {
    if (this.#closed) throw this.#closedError();
    this.#words[layout.PARAM_CODE] = 0;
    const bytes = value === undefined ? this.#native.check(key) : this.#native.check(key, value);
    if (bytes < 0) throw this.#refusal(bytes, undefined);
    return bytes;
  }

  cancel(operation: Operation): void {
    const { slot } = operation;
    this.#parking.cancel(operation);
    if (slot < 0 || this.#pending[slot] !== operation) return;
    this.#pending[slot] = undefined;
    operation.slot = -1;
    operation.stopListening?.();
    this.#native.cancel(slot);
    this.#finishOne();
  }

  wait(waiting: Waiting): void {
    this.#waiting.add(waiting);
  }

  stopWaiting(waiting: Waiting): void {
    if (this.#waiting.delete(waiting)) this.#checkIdle();
  }

  resume<R>(start: () => R): R {
    const before = this.#continuing;
    this.#tick.hold();
    this.#continuing = true;
    try {
      return start();
    } finally {
      this.#continuing = before;
      this.#tick.flushContinued();
    }
  }

  get isIdle(): boolean {
    const { failing, hasAgain } = this.#settler;
    return this.#underWay === 0 && failing.size === 0 && !hasAgain && this.#waiting.size === 0;
  }

  whenIdle(callback: () => void): () => void {
    return this.#whenIdle.add(callback);
  }

  flush(): void {
    this.#tick.flush();
  }

  /** The end of the tick sends it as one run. */
  together(start: () => void): void {
    this.#fits = layout.CODE_FITS;
    try {
      start();
    } finally {
      this.#fits = 0;
    }
  }

  stats(): TransportStats {
    const queuedBytes = this.#native.queuedBytes();
    const underWay = this.#underWay + this.#settler.failing.size;
    return { underWay, queuedBytes, nodes: this.#cluster.stats(), storage: undefined };
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
    this.#pending[slot] = operation;
    this.#underWay += 1;
    this.#tick.schedule();
    return undefined;
  }

  // Apart from #submit(), as those that follow, which would be too long for V8 to inline.
  /** The CODE_… bits of the call; less than 0 when its signal has ended it. */
  #prepare(operation: Operation, detail: Details | undefined): number {
    let bits = this.#fits;
    if (this.#extension !== undefined) {
      const more = this.#extension.prepare(operation, this.#words, this.#options.timeout);
      if (typeof more !== 'number') {
        this.#settler.keepValue(operation);
        this.#parking.park(operation, more, undefined);
        return -1;
      }
      bits |= more;
    }
    if (detail === undefined) return bits;
    bits |= layout.CODE_DETAILED;
    if (detail.newCas !== undefined) {
      bits |= this.#newCasBits(operation);
    }
    if (detail.signal !== undefined && !listen(operation, detail.signal, this)) return -1;
    this.#parameters.set(operation, detail);
    return bits;
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
    if (code === layout.REFUSED_OPERATION) return this.#unsupported(operation, this.#dialect.noSuchOperation);
    return this.#refusal(code, nameOf(operation.kind));
  }

  /** Where the key has no server it is refused for that. */
  #newCasBits(operation: Operation): number {
    const found = this.#cluster.speakerOf(operation.key);
    const takes = found === undefined || this.#dialect.takesNewCas(found.wire, found.version);
    if (takes === false && found?.isKnown !== false)
      throw this.#unsupported(operation, this.#dialect.noNewCas);
    return takes === true ? layout.CODE_SETS_CAS : layout.CODE_SETS_CAS | layout.CODE_WAITS;
  }

  #unsupported({ kind, key }: Operation, reason: string): UnsupportedError {
    const op = nameOf(kind);
    const { name: node, wire, version } = this.#cluster.speakerOf(key) ?? {};
    const which = version === undefined ? `${node}, whose version is not known,` : `${node} (${version})`;
    const message = `${op}: ${reason}, and ${which} is spoken to in the ${wire} protocol`;
    return new UnsupportedError(message, { context: { op, key, node } });
  }

  #submitTo(server: string, argument: string): void {
    const id = this.#cluster.idOf(server);
    if (id === undefined) this.#words[layout.PARAM_SLOT] = layout.REFUSED_NO_SERVER;
    else this.#native.submitTo(id, argument);
  }

  #refusal(code: number, op: string | undefined): EvenkeelError {
    return refusalError(code, op, this.#cluster.onlyName, this.#dialect.longestKey, this.#options);
  }

  /** Whether there may be more, for another turn of the loop. */
  #drain(): boolean {
    // A transcoder that closes the event base comes here again, while the records of the drain under way are being read.
    if (this.#isDraining) return false;
    this.#isDraining = true;
    this.#settler.failures = 0;
    try {
      for (let count = 1; count > 0; ) {
        count = this.#completions.take(this.#native);
        this.#settleTaken(count);
        if (this.#settler.failures >= A_TURN && !this.#isBaseClosed) return true;
      }
    } finally {
      this.#isDraining = false;
    }
    if (this.#isBaseClosed) {
      this.#endWithBase();
      return false;
    }
    const { size } = this.#settler.failing;
    if (size > 0 || this.#failsOn) this.#fail(Math.max(A_TURN, size / 16));
    // Only here is the room of what has ended free again: native code takes slots back with the next take.
    if (this.#settler.hasAgain) this.#handInAgain();
    if (this.#waiting.size > 0) this.#proceed();
    return this.#failsOn || this.#settler.hasAgain;
  }

  /** Those that nobody answered, at most so many; what is left keeps the process alive. */
  #fail(most: number): void {
    const { failing } = this.#settler;
    failing.fail(most);
    const goesOn = failing.size > 0;
    if (goesOn && !this.#failsOn) this.#base.ref();
    if (!goesOn && this.#failsOn) this.#base.unref();
    this.#failsOn = goesOn;
    this.#checkIdle();
  }

  #settleTaken(count: number): void {
    const { records } = this.#completions;
    for (let i = 0, at = 0; i < count; i += 1, at += layout.RECORD_WORDS) {
      const slot = records[at] as number;
      const outcome = records[at + layout.RECORD_OUTCOME] as number;
      if (slot === layout.CONTROL_SLOT) {
        this.#onControl(outcome & layout.OUTCOME_MASK, at);
        continue;
      }
      const operation = this.#pending[slot];
      if (operation === undefined || (outcome & layout.OUTCOME_MASK) === layout.OUTCOME_RELEASED) continue;
      if ((outcome & layout.OUTCOME_MASK) === layout.OUTCOME_ITEM) {
        if (!this.#settler.addItem(operation, at)) this.cancel(operation);
        continue;
      }
      this.#pending[slot] = undefined;
      operation.slot = -1;
      if (operation.trace !== undefined || (outcome & layout.OUTCOME_SLOW_BIT) !== 0)
        this.#note(operation, outcome, at);
      this.#settler.settle(operation, outcome, at);
      this.#finishOne();
    }
  }

  /** For those that look, before it is settled. What is lost may be made again, and is one operation then. */
  #note(operation: Operation, outcome: number, at: number): void {
    const { trace } = operation;
    if (trace !== undefined) trace.node = this.#cluster.nameOf(this.#completions.connection(at));
    if ((outcome & layout.OUTCOME_MASK) !== layout.OUTCOME_LOST)
      this.#settler.noteSlow(operation, outcome, at);
  }

  #proceed(): void {
    this.#continuing = true;
    for (const waiting of this.#waiting) {
      waiting.proceed();
      this.#tick.flushContinued();
    }
    this.#continuing = false;
  }

  /** Hands in again what was lost, under its old deadline; it waits for the next connection like any other. */
  #handInAgain(): void {
    this.#continuing = true;
    this.#submitAll(this.#settler.takeAgain(A_TURN));
    this.#tick.flushContinued();
    for (const [server, { ready, withheld }] of this.#settler.takeReturned())
      this.#cluster.handBack(server, () => {
        this.#submitAll(ready);
        this.#tick.flushContinued();
        this.#submitAll(withheld);
        this.#tick.hold();
      });
    this.#continuing = false;
    this.#checkIdle();
  }

  #submitAll(operations: readonly Operation[]): void {
    for (const operation of operations) {
      try {
        this.submit(operation);
      } catch (error) {
        operation.fail(error);
      }
    }
  }

  #onControl(outcome: number, at: number): void {
    const connection = this.#completions.connection(at);
    if (outcome === layout.OUTCOME_CONNECTED) {
      this.#cluster.connected(connection, this.#completions.text(at));
    } else if (outcome === layout.OUTCOME_DISCONNECTED) {
      const { records } = this.#completions;
      const cause = records[at + layout.RECORD_DETAIL] as number;
      const maySpeakOtherwise = records[at + layout.RECORD_FLAGS] === 1;
      const said = this.#completions.bytes(this.#native, at);
      this.#cluster.disconnected(connection, cause, said, maySpeakOtherwise);
    } else if (outcome === layout.OUTCOME_RETIRED) {
      this.#cluster.retired(connection);
    } else if (outcome === layout.OUTCOME_ENDED) {
      this.#end();
    } else {
      this.#onWord(outcome, connection, at);
    }
  }

  /** What servers say besides their answers. */
  #onWord(outcome: number, connection: number, at: number): void {
    const { records } = this.#completions;
    const detail = records[at + layout.RECORD_DETAIL] as number;
    const flags = records[at + layout.RECORD_FLAGS] as number;
    const value = this.#completions.bytes(this.#native, at);
    const server = this.#cluster.nameOf(connection);
    if (outcome === layout.OUTCOME_SENT_BACK) this.#extension?.sentBack(server, value);
    else if (outcome === layout.OUTCOME_NOTICE) this.#extension?.noticed(server, detail, value, flags & 0xff);
    const { dialog } = this.#dialect.wires[0] ?? {};
    if (outcome === layout.OUTCOME_HANDSHAKE && dialog !== undefined)
      void this.#handshakes.answered(connection, flags, detail, value, dialog);
  }

  /** The base went away underneath; what it knew of its operations is there to be taken, and nothing more will come. */
  readonly #onBaseClosed = (): void => {
    this.refuse();
    this.#settler.closed = 'its event base';
    this.#isBaseClosed = true;
    this.#cluster.refuse(this.#closedError());
    this.#drain();
  };

  #endWithBase(): void {
    for (const operation of this.#settler.takeAgain()) this.#failWithBase(operation);
    for (const { ready, withheld } of this.#settler.takeReturned().values())
      for (const operation of [...ready, ...withheld]) this.#failWithBase(operation);
    for (const [slot, operation] of this.#pending.entries()) {
      if (operation === undefined) continue;
      // The base has never seen it.
      this.#pending[slot] = undefined;
      operation.slot = -1;
      this.#failWithBase(operation);
      this.#finishOne();
    }
    this.#end();
  }

  #failWithBase(operation: Operation): void {
    const message = `${nameOf(operation.kind)}: ${this.#settler.closed} was closed`;
    operation.fail(new ClosedError(message, { context: contextOf(operation, this.#cluster.onlyName) }));
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#fail(Number.POSITIVE_INFINITY);
    this.#cluster.stop();
    this.#tick.end();
    for (const waiting of this.#waiting) waiting.giveUp(this.#closedError());
    this.#checkIdle();
    for (const resolve of this.#whenEnded.splice(0)) resolve();
  }

  #finishOne(): void {
    this.#underWay -= 1;
    if (this.#underWay === 0) this.#checkIdle();
  }

  #closedError(): ClosedError {
    return closedError(this.#cluster.onlyName, this.#isBaseClosed ? 'the event base' : 'the database');
  }

  #checkIdle(): void {
    if (!this.#whenIdle.isEmpty && this.isIdle) this.#whenIdle.callAll();
  }
}

/** It may be otherwise soon, and is no fault of the call. */
const isOfTheMoment = (refused: unknown): boolean =>
  refused instanceof BackpressureError || refused instanceof ConnectionError;

/** Operations fail and are lost in crowds, and each costs as much as several others: the loop turns between so many, or a sixteenth of a large crowd. */
const A_TURN = 64;
