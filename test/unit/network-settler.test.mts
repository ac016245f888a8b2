import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import type { ClusterView } from '../../lib/engines/network/cluster-view.ts';
import { Completions } from '../../lib/engines/network/completions.ts';
import type { Dialect } from '../../lib/engines/network/dialect.ts';
import type { Extension, Wait } from '../../lib/engines/network/extension.ts';
import { GivenBack } from '../../lib/engines/network/given-back.ts';
import { resolveClientOptions } from '../../lib/engines/network/options.ts';
import type { Parking } from '../../lib/engines/network/parking.ts';
import { Settler } from '../../lib/engines/network/settler.ts';
import { type EvenkeelError, ServerError, TimeoutError } from '../../lib/errors.ts';
import type { NativeClient } from '../../lib/native/addon.ts';
import * as layout from '../../lib/native/layout.ts';
import { nodeCounts } from '../../lib/observability/stats.ts';
import { Kind, Operation } from '../../lib/transactions/operation.ts';
import { commonFlagsTranscoder } from '../../lib/transactions/transcoder.ts';
import { pause } from '../pause.mts';

const MISS = 7;
const ASK = 9;

/** ms that there were for the last look after an operation. */
let timeLeft: number | undefined;

/** An engine that nobody has, whose get is told of misses by 7, and by 9 to ask whether the key exists. */
const dialect: Dialect = {
  wires: [{ name: 'binary', protocol: layout.PROTOCOL_MEMCACHE_BINARY, handshake: [] }],
  isBetterSpokenTo: () => false,
  isFull: () => false,
  engine: 'nobody',
  longestKey: () => 10,
  mayBeUnversioned: false,
  withoutMeta: undefined,
  noSuchOperation: '',
  takesNewCas: () => false,
  noNewCas: '',
  codes: [],
  isIdempotent: (kind) => kind === Kind.get,
  mayBeLookedAfter: (kind) => kind === Kind.get,
  read: (operation) => `answer of ${operation.key}`,
  resultOf: (_kind, status) => (status === MISS ? { value: 'none' } : undefined),
  lookAfter: (operation, status, { again, timeout }) => {
    timeLeft = timeout;
    return status === ASK
      ? new Operation(Kind.exists, operation.key, undefined, undefined, {
          add: () => again?.(),
          fail: (_, error) => operation.fail(error),
        })
      : undefined;
  },
  errorOf: (_operation, status, _text, context) => new ServerError(`status ${status}`, { context }),
};

const cluster: ClusterView = {
  nameOf: (node) => `server ${node}`,
  serverOf: () => undefined,
  countsOf: () => nodeCounts(),
  faultOf: (node) => new Error(`${node} is away`),
};

/** Records that name the server by its id, at 0. */
class OfNode extends Completions {
  constructor(readonly id: number) {
    super(commonFlagsTranscoder);
  }

  override connection(): number {
    return this.id;
  }
}

const BUSY = 5;

/** What retries are asked for, and the errors that were made. */
class Retries {
  readonly waits: Wait[] = [];
  made = 0;
  readonly dialect: Dialect = {
    ...dialect,
    errorOf: (_operation, status, _text, context) => {
      this.made += 1;
      return new ServerError(`status ${status}`, { context });
    },
    extension: {
      isSuccess: () => false,
      retry: (_operation: Operation, status: number) =>
        status === BUSY ? { until: new Promise(() => {}), mayBePassed: false } : 'late',
    } as unknown as Extension,
  };
  readonly parking = { park: (_: Operation, wait: Wait) => this.waits.push(wait) } as unknown as Parking;
}

function settlerOf(
  node: number,
  spoken = dialect,
  parking = {} as Parking,
): { settler: Settler; givenBack: GivenBack; records: Uint32Array } {
  const completions = new OfNode(node);
  const native = {} as NativeClient;
  const givenBack = new GivenBack();
  const settler = new Settler(
    spoken,
    cluster,
    native,
    completions,
    resolveClientOptions({}, true),
    undefined,
    parking,
    givenBack,
  );
  return { settler, givenBack, records: completions.records };
}

function handedIn(kind: Kind, key: string): { operation: Operation; outcome: Promise<unknown> } {
  const operation = new Operation(kind, key, undefined, undefined, undefined);
  operation.attempts = 1;
  return { operation, outcome: operation.promise() };
}

function submittedAgain(givenBack: GivenBack): Operation[] {
  const submitted: Operation[] = [];
  givenBack.resubmit(Number.POSITIVE_INFINITY, {
    submit: (operation) => submitted.push(operation),
    resume: (submitAll) => submitAll(),
    resumeAt: () => {},
  });
  return submitted;
}

const answered = (status: number): number =>
  layout.OUTCOME_ANSWERED | (status << layout.OUTCOME_STATUS_SHIFT);

test('an operation ends as the dialect reads its answer', async () => {
  const { settler } = settlerOf(0);
  for (const [status, result] of [
    [0, 'answer of k'],
    [MISS, 'none'],
  ] as const) {
    const { operation, outcome } = handedIn(Kind.get, 'k');
    settler.settle(operation, answered(status), 0);
    assert.equal(await outcome, result);
  }
});

test('an error names the server that its record names', async () => {
  const { settler } = settlerOf(2);
  const refused = handedIn(Kind.upsert, 'k');
  settler.settle(refused.operation, answered(3), 0);
  await assert.rejects(refused.outcome, ({ context }: EvenkeelError) => {
    assert.deepEqual(context, { op: 'upsert', key: 'k', node: 'server 2', attempts: 1, status: 3 });
    return true;
  });
  const offline = handedIn(Kind.get, 'k');
  settler.settle(offline.operation, layout.OUTCOME_OFFLINE, 0);
  settler.failing.fail(1, 0);
  await assert.rejects(offline.outcome, { message: 'get: not connected: 2 is away' });
  assert.equal(settler.errors, 1);
});

test('those that nobody answered fail after those that were answered, and as many at a time as they are told to', async () => {
  const { settler } = settlerOf(2);
  const told: string[] = [];
  const tell = ({ operation, outcome }: ReturnType<typeof handedIn>): Promise<unknown> =>
    outcome.then(
      () => told.push(operation.key),
      ({ message }: Error) => told.push(`${operation.key}: ${message}`),
    );
  const late = ['a', 'b', 'c'].map((key) => handedIn(Kind.upsert, key));
  const answeredOne = handedIn(Kind.get, 'd');
  const all = [...late, answeredOne].map(tell);
  for (const { operation } of late) settler.settle(operation, layout.OUTCOME_TIMED_OUT, 0);
  settler.settle(answeredOne.operation, answered(0), 0);
  await all[3];
  assert.deepEqual(told, ['d']);
  assert.equal(settler.failing.size, 3);
  settler.failing.fail(2, 0);
  await all[1];
  assert.equal(settler.failing.size, 1);
  const why = 'upsert: not connected: 2 is away';
  assert.deepEqual(told, ['d', `a: ${why}`, `b: ${why}`]);
  settler.failing.fail(2, 0);
  await all[2];
  assert.deepEqual(told.slice(3), [`c: ${why}`]);
});

test('a lost read is handed in again under its deadline, a write that was sent is not', async () => {
  const { settler, givenBack, records } = settlerOf(1);
  records[layout.RECORD_DETAIL] = layout.CAUSE_END_OF_STREAM;
  records[layout.RECORD_DEADLINE_LOW] = 77;
  const lost = layout.OUTCOME_LOST | layout.OUTCOME_WRITTEN_BIT;
  const read = handedIn(Kind.get, 'k');
  settler.settle(read.operation, lost, 0);
  assert.deepEqual(submittedAgain(givenBack), [read.operation]);
  assert.equal(read.operation.details?.deadlineLow, 77);
  const write = handedIn(Kind.upsert, 'k');
  settler.settle(write.operation, lost, 0);
  settler.failing.fail(1, 0);
  await assert.rejects(write.outcome, {
    ambiguous: true,
    message: 'upsert: the server closed the connection',
  });
  assert.equal(givenBack.isEmpty, true);
});

test('another operation tells what a status means, and has the first handed in once more', async () => {
  const { settler, givenBack } = settlerOf(0);
  const { operation, outcome } = handedIn(Kind.get, 'k');
  settler.keep(operation);
  settler.settle(operation, answered(ASK), 0);
  const [look] = submittedAgain(givenBack);
  assert.equal(look?.kind, Kind.exists);
  settler.settle(look, answered(0), 0);
  assert.deepEqual(submittedAgain(givenBack), [operation]);
  settler.settle(operation, answered(0), 0);
  assert.equal(await outcome, 'answer of k');
});

test('what is handed in again unsent has no more time than it had', async () => {
  const { settler } = settlerOf(3);
  const { operation, outcome } = handedIn(Kind.get, 'k');
  operation.attempts = 0;
  settler.keep(operation);
  operation.attempts = 1;
  await pause(30);
  settler.keep(operation);
  operation.attempts = 2;
  settler.settle(operation, layout.OUTCOME_ANSWERED | ((MISS + 1) << layout.OUTCOME_STATUS_SHIFT), 0);
  await assert.rejects(outcome, ServerError);
  const { timeout } = resolveClientOptions({}, true);
  assert.ok(timeLeft !== undefined && timeLeft <= timeout - 29, `${timeLeft} of ${timeout}`);
});

test('an operation that is tried again has an error only when somebody asks why, or it ends', async () => {
  const retries = new Retries();
  const { settler } = settlerOf(3, retries.dialect, retries.parking);
  const parked = handedIn(Kind.upsert, 'k');
  settler.settle(parked.operation, answered(BUSY), 0);
  assert.deepEqual([retries.waits.length, retries.made], [1, 0]);
  const why = retries.waits[0]?.why() as EvenkeelError;
  assert.equal(why.message, `status ${BUSY}`);
  assert.equal(why.context.node, 'server 3');
  const late = handedIn(Kind.upsert, 'k');
  settler.settle(late.operation, answered(BUSY + 1), 0);
  await assert.rejects(late.outcome, TimeoutError);
  assert.equal(retries.made, 2);
});
