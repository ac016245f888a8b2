import type { NativeClient } from '../../native/addon';
import * as layout from '../../native/layout';
import { performanceNow } from '../../platform';
import type { Operation } from '../../transactions/operation';
import type { Cluster } from './cluster';
import type { Completions } from './completions';
import type { ControlRecords } from './control-records';
import type { GivenBack, Resubmission } from './given-back';
import type { Settler } from './settler';
import type { UnderWay } from './under-way';

/** The client whose records are drained. */
export interface DrainSite extends Resubmission {
  /** Its end is being drained. */
  readonly isEnding: boolean;
  /** The event base is closed, and its records are all that will ever come. */
  readonly isBaseClosed: boolean;
  cancel(operation: Operation): void;
  /** Slots are free again: calls that wait for them go on. */
  proceed(): void;
  checkIdle(): void;
  /** The last record was taken. */
  end(): void;
  /** As long as something is left for another turn, the process must not end. */
  keepAlive(doesSo: boolean): void;
}

/**
 * Takes completion records and ends their operations: all that were answered, and in one turn of the loop only so many of those
 * that fail or have to be submitted again.
 */
export class Drain {
  readonly #site: DrainSite;
  readonly #native: NativeClient;
  readonly #completions: Completions;
  readonly #cluster: Cluster;
  readonly #control: ControlRecords;
  readonly #settler: Settler;
  readonly #givenBack: GivenBack;
  readonly #underWay: UnderWay;
  #isDraining = false;
  #goesOn = false;

  constructor(
    site: DrainSite,
    native: NativeClient,
    completions: Completions,
    cluster: Cluster,
    control: ControlRecords,
    settler: Settler,
    givenBack: GivenBack,
    underWay: UnderWay,
  ) {
    this.#site = site;
    this.#native = native;
    this.#completions = completions;
    this.#cluster = cluster;
    this.#control = control;
    this.#settler = settler;
    this.#givenBack = givenBack;
    this.#underWay = underWay;
  }

  /** Whether there may be more, for another turn of the loop. */
  run(): boolean {
    // A transcoder that closes the event base comes here again, while the records of the drain under way are being read.
    if (this.#isDraining) return false;
    this.#isDraining = true;
    this.#settler.errors = 0;
    const begun = performanceNow();
    let taken = 0;
    let isCut = false;
    try {
      for (let count = 1; count > 0 && !isCut; taken += count) {
        count = this.#completions.take(this.#native);
        this.#settleTaken(count);
        isCut = this.#settler.errors >= A_TURN && !this.#site.isEnding && !this.#cluster.hasReturned;
      }
    } finally {
      this.#isDraining = false;
    }
    if (this.#site.isBaseClosed) {
      this.#site.end();
      return false;
    }
    // What fails gets as much time as what was answered, but for a few.
    const share = taken === 0 ? LONGEST_SHARE_MS : Math.min(performanceNow() - begun, LONGEST_SHARE_MS);
    if (this.#settler.failing.size > 0) this.#settler.failing.fail(A_TURN, share);
    this.#resubmit(isCut);
    this.#wantMore(isCut || this.#settler.failing.size > 0 || !this.#givenBack.isEmpty);
    this.#site.checkIdle();
    return this.#goesOn;
  }

  /** Nothing more is done in other turns. */
  end(): void {
    this.#settler.failing.failAll();
    this.#wantMore(false);
  }

  #wantMore(doesSo: boolean): void {
    if (doesSo !== this.#goesOn) this.#site.keepAlive(doesSo);
    this.#goesOn = doesSo;
  }

  #settleTaken(count: number): void {
    const { records } = this.#completions;
    const { bySlot } = this.#underWay;
    for (let i = 0, at = 0; i < count; i += 1, at += layout.RECORD_WORDS) {
      const slot = records[at] as number;
      const outcome = records[at + layout.RECORD_OUTCOME] as number;
      if (slot === layout.CONTROL_SLOT) {
        this.#readControl(outcome & layout.OUTCOME_MASK, at);
        continue;
      }
      const operation = bySlot[slot];
      if (operation === undefined || (outcome & layout.OUTCOME_MASK) === layout.OUTCOME_RELEASED) continue;
      if ((outcome & layout.OUTCOME_MASK) === layout.OUTCOME_ITEM) {
        if (!this.#settler.addItem(operation, at)) this.#site.cancel(operation);
        continue;
      }
      bySlot[slot] = undefined;
      operation.slot = -1;
      if (operation.trace !== undefined || (outcome & layout.OUTCOME_SLOW_BIT) !== 0)
        this.#settler.note(operation, outcome, at);
      this.#settler.settle(operation, outcome, at);
      this.#underWay.count -= 1;
    }
  }

  #readControl(outcome: number, at: number): void {
    if (outcome === layout.OUTCOME_ENDED) this.#site.end();
    else this.#control.read(outcome, at);
  }

  /** Of a drain that was cut, the slots of the last records are not free yet: native code takes them back with the next take. */
  #resubmit(isCut: boolean): void {
    if (!this.#givenBack.isEmpty)
      this.#givenBack.resubmit(isCut ? Math.min(A_TURN, this.#native.available()) : A_TURN, this.#site);
    if (isCut) return;
    this.#cluster.hasReturned = false;
    // What was lost has its slots first.
    if (this.#givenBack.isEmpty) this.#site.proceed();
  }
}

/**
 * Operations fail and are lost in crowds, and each costs as much as several others: so many in a turn at least. Errors that
 * servers answer with are counted between two takes.
 */
const A_TURN = 64;
const LONGEST_SHARE_MS = 1;
