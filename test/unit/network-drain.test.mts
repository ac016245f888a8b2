import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import type { Cluster } from '../../lib/engines/network/cluster.ts';
import { Completions } from '../../lib/engines/network/completions.ts';
import type { ControlRecords } from '../../lib/engines/network/control-records.ts';
import { Drain, type DrainSite } from '../../lib/engines/network/drain.ts';
import { Failing } from '../../lib/engines/network/failing.ts';
import { GivenBack } from '../../lib/engines/network/given-back.ts';
import type { Settler } from '../../lib/engines/network/settler.ts';
import { UnderWay } from '../../lib/engines/network/under-way.ts';
import type { NativeClient } from '../../lib/native/addon.ts';
import * as layout from '../../lib/native/layout.ts';
import { nodeCounts } from '../../lib/observability/stats.ts';
import { Kind, Operation } from '../../lib/transactions/operation.ts';
import { commonFlagsTranscoder } from '../../lib/transactions/transcoder.ts';

const ERRORS = 64;
const FAILED = 2;

/** Records without end, each take as many as the one given. */
class Endless extends Completions {
  takes = 0;
  next: (take: number) => readonly (readonly [slot: number, outcome: number])[] = () => [];

  constructor() {
    super(commonFlagsTranscoder);
  }

  override take(): number {
    const records = this.next(this.takes++);
    for (const [i, [slot, outcome]] of records.entries()) {
      this.records[i * layout.RECORD_WORDS] = slot;
      this.records[i * layout.RECORD_WORDS + layout.RECORD_OUTCOME] = outcome;
    }
    return records.length;
  }
}

function clientOf() {
  const completions = new Endless();
  const underWay = new UnderWay();
  const givenBack = new GivenBack();
  const told: string[] = [];
  const failing = new Failing(({ operation }) => told.push(`${operation.key} failed`));
  const settler = {
    errors: 0,
    failing,
    settle(operation: Operation, outcome: number) {
      const kind = outcome & layout.OUTCOME_MASK;
      if (kind === layout.OUTCOME_TIMED_OUT) {
        const record = { outcome, cause: 0, announced: 0, late: false, fault: undefined };
        failing.add({ operation, node: 's', counts: nodeCounts(), ...record });
      } else if (outcome >>> layout.OUTCOME_STATUS_SHIFT === FAILED) this.errors += 1;
      else told.push(`${operation.key} answered`);
    },
  };
  const cluster = { hasReturned: false };
  const site = {
    isEnding: false,
    isBaseClosed: false,
    proceed: () => told.push('proceeds'),
    checkIdle: () => {},
    keepAlive: (doesSo: boolean) => told.push(doesSo ? 'stays alive' : 'may end'),
    submit: ({ key }: Operation) => told.push(`${key} again`),
    resume: (submitAll: () => void) => submitAll(),
  };
  const drain = new Drain(
    site as unknown as DrainSite,
    { available: () => 1000 } as unknown as NativeClient,
    completions,
    cluster as Cluster,
    {} as ControlRecords,
    settler as unknown as Settler,
    givenBack,
    underWay,
  );
  /** Under way in a slot of its own; returns that. */
  const begin = (key: string): number => {
    underWay.count += 1;
    return underWay.bySlot.push(operationOf(key)) - 1;
  };
  const errors = (): (readonly [number, number])[] =>
    Array.from({ length: ERRORS }, () => [
      begin('e'),
      layout.OUTCOME_ANSWERED | (FAILED << layout.OUTCOME_STATUS_SHIFT),
    ]);
  return { drain, completions, givenBack, cluster, begin, errors, told };
}

const operationOf = (key: string): Operation => new Operation(Kind.get, key, undefined, undefined, undefined);

test('errors that servers answer with without end let what timed out fail, and what was lost be submitted again', () => {
  const { drain, completions, givenBack, begin, errors, told } = clientOf();
  const late = begin('late');
  completions.next = (take) => (take === 0 ? [[late, layout.OUTCOME_TIMED_OUT], ...errors()] : errors());
  givenBack.addLost(operationOf('lost'));
  assert.equal(drain.run(), true);
  assert.deepEqual(told, ['late failed', 'lost again', 'stays alive']);
  assert.equal(completions.takes, 1);
  assert.equal(drain.run(), true);
  completions.next = () => [];
  assert.equal(drain.run(), false);
  assert.deepEqual(told.slice(3), ['proceeds', 'may end']);
});

test('no turn ends before what was returned has been submitted again', () => {
  const { drain, completions, cluster, begin, errors, told } = clientOf();
  const answered = begin('a');
  cluster.hasReturned = true;
  completions.next = (take) =>
    take < 3 ? errors() : take === 3 ? [[answered, layout.OUTCOME_ANSWERED]] : [];
  assert.equal(drain.run(), false);
  assert.deepEqual(told, ['a answered', 'proceeds']);
  assert.equal(cluster.hasReturned, false);
});

test('calls that wait for room go on after all that was lost has been submitted again', () => {
  const { drain, givenBack, told } = clientOf();
  for (let i = 0; i < 2.5 * ERRORS; i += 1) givenBack.addLost(operationOf('l'));
  const turns: number[] = [];
  for (let goesOn = true; goesOn; ) {
    goesOn = drain.run();
    turns.push(told.splice(0).filter((each) => each === 'l again').length);
  }
  assert.deepEqual(turns, [ERRORS, ERRORS, ERRORS / 2]);
});
