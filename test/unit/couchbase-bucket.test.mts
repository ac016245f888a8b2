import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CollectionIds } from '../../lib/cluster/couchbase/collections.ts';
import type { ConfigMonitor } from '../../lib/cluster/couchbase/config-monitor.ts';
import { Configurations } from '../../lib/cluster/couchbase/configurations.ts';
import { CouchbaseStatus, type StatusName } from '../../lib/cluster/couchbase/statuses.ts';
import { Bucket } from '../../lib/engines/couchbase/bucket.ts';
import { durabilityWord } from '../../lib/engines/couchbase/durability.ts';
import { ServerError } from '../../lib/errors.ts';
import * as layout from '../../lib/native/layout.ts';
import { documentDetails } from '../../lib/transactions/documents.ts';
import { details, Kind, Operation } from '../../lib/transactions/operation.ts';
import { FLAGS_JSON } from '../../lib/transactions/transcoder.ts';
import { ManualTimers } from './manual-timers.mts';

const NOTHING = (): Buffer => Buffer.alloc(0);

function bucketWith(ask: (path: string) => Promise<{ manifest: bigint; id: number }>) {
  const timers = new ManualTimers();
  let refreshes = 0;
  const monitor = {
    refresh: () => {
      refreshes += 1;
    },
  } as unknown as ConfigMonitor;
  const configurations = new Configurations({ bucket: 'b', network: 'auto', isEncrypted: false });
  const bucket = new Bucket('b', configurations, monitor, new CollectionIds(ask), timers);
  const words = new Uint32Array(layout.PARAM_WORDS);
  return { bucket, words, timers, refreshes: () => refreshes };
}

/** What the operation waits for, if it does. */
async function whenReady(bucket: Bucket, operation: Operation, words: Uint32Array): Promise<void> {
  const wait = bucket.prepare(operation, words, 60_000, []);
  if (typeof wait !== 'number') await wait.until;
}

const ofOrders = (kind: Kind = Kind.upsert): Operation => {
  const operation = new Operation(kind, 'k', 'v', undefined, undefined);
  operation.collection = { scope: 'shop', name: 'orders' };
  return operation;
};

test('the server is given nine tenths of the time for a durable write, but never too little', () => {
  assert.deepEqual(
    [2500, 10_000, 100, 1_000_000].map((timeout) => durabilityWord('majority', timeout) >>> 8),
    [2250, 9000, 1500, 65534],
  );
  assert.equal(durabilityWord('persistToMajority', 2000) & 0xff, 3);
});

test('an operation says its collection, its format and what it asks for', async () => {
  const { bucket, words } = bucketWith(async () => ({ manifest: 1n, id: 9 }));
  const operation = ofOrders();
  operation.flags = FLAGS_JSON;
  const document = { ...documentDetails(), durability: 'majority' as const, preservesExpiry: true };
  operation.details = { ...details(), timeout: 2000, document };
  await whenReady(bucket, operation, words);
  const bits = bucket.prepare(operation, words, 5000, []);
  assert.equal(bits, layout.CODE_EXTENDED | layout.CODE_PRESERVES_EXPIRY);
  assert.equal(words[layout.PARAM_COLLECTION], 9);
  assert.equal(words[layout.PARAM_MODES], 1);
  assert.equal(words[layout.PARAM_DURABILITY], 1 | (1800 << 8));
  operation.details.document = { ...documentDetails(), setsExpiry: true };
  assert.equal(bucket.prepare(operation, words, 5000, []), layout.CODE_EXTENDED | layout.CODE_SETS_EXPIRY);
  const plain = new Operation(Kind.get, 'k', undefined, undefined, undefined);
  assert.equal(bucket.prepare(plain, words, 5000, []), layout.CODE_EXTENDED);
  const { PARAM_COLLECTION, PARAM_MODES, PARAM_DURABILITY, PARAM_REPLICA } = layout;
  for (const at of [PARAM_COLLECTION, PARAM_MODES, PARAM_DURABILITY, PARAM_REPLICA])
    assert.equal(words[at], 0);
});

test('what a server has certainly not done is tried again, and answers are answers', () => {
  const { bucket, words, refreshes } = bucketWith(async () => ({ manifest: 1n, id: 9 }));
  const retried: StatusName[] = [
    'temporaryFailure',
    'busy',
    'outOfMemory',
    'locked',
    'syncWriteInProgress',
    'syncWriteRecommitInProgress',
    'notMyPartition',
    'configOnly',
    'wouldThrottle',
    'notInitialized',
  ];
  const final: StatusName[] = [
    'keyNotFound',
    'keyExists',
    'tooLarge',
    'noAccess',
    'durabilityImpossible',
    'syncWriteAmbiguous',
    'pathNotFound',
    'notSupported',
    'bucketPaused',
  ];
  const outcomeOf = (name: StatusName, kind: Kind, timeout: number) => {
    const operation = new Operation(kind, 'k', 'v', undefined, undefined);
    void bucket.prepare(operation, words, timeout, []);
    return bucket.retry(operation, CouchbaseStatus[name], NOTHING);
  };
  for (const name of retried) assert.equal(typeof outcomeOf(name, Kind.upsert, 60_000), 'object', name);
  assert.ok(refreshes() > 0);
  for (const name of final) assert.equal(outcomeOf(name, Kind.upsert, 60_000), undefined, name);
  assert.equal(outcomeOf('locked', Kind.unlock, 60_000), undefined);
  assert.equal(outcomeOf('notMyPartition', Kind.upsert, 1), 'late');
});

test('a collection that a server does not know is asked for again, until it is certain that there is none', async () => {
  let id = 8;
  const { bucket, words } = bucketWith(async () => ({ manifest: 5n, id: ++id }));
  const operation = ofOrders();
  await whenReady(bucket, operation, words);
  assert.equal(bucket.prepare(operation, words, 60_000, []), layout.CODE_EXTENDED);
  const says = (manifest: string) => () => Buffer.from(JSON.stringify({ manifest_uid: manifest }));
  const status = CouchbaseStatus.unknownCollection;
  assert.equal(typeof bucket.retry(operation, status, says('6')), 'object');
  await whenReady(bucket, operation, words);
  void bucket.prepare(operation, words, 60_000, []);
  assert.equal(words[layout.PARAM_COLLECTION], 10);
  assert.equal(bucket.retry(operation, status, says('5')), undefined);
});

test('an id that no server could tell is asked for again later; that there is none is final', async () => {
  let fault: Error = new Error('nobody answers');
  let asked = 0;
  const { bucket, words, timers } = bucketWith(() => {
    asked += 1;
    return Promise.reject(fault);
  });
  const wait = bucket.prepare(ofOrders(), words, 60_000, []);
  assert.ok(typeof wait !== 'number');
  assert.equal(wait.why(), undefined);
  let isOver = false;
  const waiting = wait.until.then(() => {
    isOver = true;
  });
  while (timers.waiting === 0) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(isOver, false);
  assert.equal(wait.why(), fault);
  assert.equal(bucket.prepare(ofOrders(), words, 60_000, []), wait);
  timers.pass(100);
  await waiting;
  assert.equal(asked, 1);
  const again = bucket.prepare(ofOrders(), words, 60_000, []);
  assert.ok(typeof again !== 'number');
  assert.equal(again.why(), fault);
  fault = new ServerError('there is none');
  await assert.rejects(again.until, fault);
});
