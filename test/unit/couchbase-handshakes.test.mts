import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SaltedPasswords } from '../../lib/cluster/couchbase/scram.ts';
import { plainHandshake, Step, scramHandshake } from '../../lib/engines/couchbase/handshake.ts';
import { ScramDialog } from '../../lib/engines/couchbase/login.ts';
import type { Dialog } from '../../lib/engines/network/dialect.ts';
import { Handshakes } from '../../lib/engines/network/handshakes.ts';
import { AuthenticationError } from '../../lib/errors.ts';
import * as layout from '../../lib/native/layout.ts';

const CREDENTIALS = { username: 'ada', password: 'secret' };

const dialogOf = (usable: readonly ('SCRAM-SHA512' | 'SCRAM-SHA1')[] = ['SCRAM-SHA512', 'SCRAM-SHA1']) =>
  new ScramDialog(CREDENTIALS, new SaltedPasswords(CREDENTIALS.password), usable, 'shop');

test('with PLAIN everything is said at once; by SCRAM the password is never said', () => {
  const plain = plainHandshake(CREDENTIALS, 'shop');
  assert.ok(plain.every(({ waits, asks }) => !waits && !asks));
  assert.ok(Buffer.concat(plain.map(({ request }) => request)).includes('\0ada\0secret'));
  assert.equal(plainHandshake(undefined, 'shop').length, plain.length - 1);
  const scram = scramHandshake('shop');
  assert.deepEqual(
    scram.map(({ asks = false }) => asks),
    [false, false, true, true, true, false],
  );
  assert.ok(!Buffer.concat(scram.map(({ request }) => request)).includes('secret'));
});

test('a login begins with the best mechanism that both have, and a nonce of its own', async () => {
  const first = Buffer.from(
    await dialogOf().answer(Step.mechanisms, Buffer.from('PLAIN SCRAM-SHA1 SCRAM-SHA512')),
  );
  const second = Buffer.from(await dialogOf().answer(Step.mechanisms, Buffer.from('SCRAM-SHA512')));
  assert.ok(first.includes('SCRAM-SHA512n,,n=ada,r='));
  assert.notDeepEqual(first, second);
});

test('whatever a server says in a login that is not as it should be ends it', async () => {
  await assert.rejects(dialogOf().answer(Step.mechanisms, Buffer.from('PLAIN')), AuthenticationError);
  await assert.rejects(dialogOf().answer(Step.auth, Buffer.from('r=1,s=1,i=1')), AuthenticationError);
  const dialog = dialogOf();
  await dialog.answer(Step.mechanisms, Buffer.from('SCRAM-SHA1'));
  await assert.rejects(dialog.answer(Step.auth, Buffer.from('r=other,s=AAAA,i=4096')), AuthenticationError);
  await assert.rejects(dialog.answer(Step.step, Buffer.from('v=AAAA')), AuthenticationError);
});

const handshakesWith = (
  dialog: (() => Dialog) | undefined,
  continueHandshake: (connection: number, attempt: number, request: Uint8Array | undefined) => void,
): Handshakes =>
  new Handshakes(
    { continueHandshake },
    { name: 'couchbase', protocol: layout.PROTOCOL_COUCHBASE, handshake: scramHandshake('shop'), dialog },
  );

test('why an attempt failed is told once, if that is why', async () => {
  const { CAUSE_CREDENTIALS, CAUSE_HANDSHAKE, CAUSE_SILENCE } = layout;
  const handshakes = handshakesWith(
    () => dialogOf(),
    () => {},
  );
  const fail = (attempt: number) => handshakes.answered(0, attempt, Step.mechanisms, Buffer.from('PLAIN'));
  await fail(0);
  const fault = handshakes.ended(0, CAUSE_CREDENTIALS, 0);
  assert.ok(fault instanceof AuthenticationError);
  assert.match(fault.message, /supports "PLAIN" but not SCRAM-SHA512/);
  assert.equal(handshakes.ended(0, CAUSE_CREDENTIALS, 0), undefined);
  await fail(1);
  assert.equal(handshakes.ended(0, CAUSE_SILENCE, 0), undefined);
  assert.equal(handshakes.ended(0, CAUSE_CREDENTIALS, 0), undefined);
  const bucket = scramHandshake('shop').findIndex(({ refusal }) => refusal !== undefined);
  assert.match(handshakes.ended(0, CAUSE_HANDSHAKE, bucket)?.message ?? '', /no bucket "shop"/);
  assert.equal(handshakes.ended(0, CAUSE_HANDSHAKE, Step.hello), undefined);
});

test('each attempt of each connection has a dialog of its own, and one that fails ends the attempt', async () => {
  const said: unknown[] = [];
  let count = 0;
  const dialog = (): Dialog => {
    const number = ++count;
    return {
      answer: async (step, value) => {
        if (value.length === 0) throw new Error('no');
        return Buffer.from(`${number}:${step}`);
      },
    };
  };
  const handshakes = handshakesWith(dialog, (connection, attempt, request) =>
    said.push([connection, attempt, request && Buffer.from(request).toString()]),
  );
  const value = Buffer.from('x');
  await handshakes.answered(0, 0, 1, value);
  await handshakes.answered(0, 0, 2, value);
  await handshakes.answered(1, 0, 1, value);
  await handshakes.answered(0, 1, 1, value);
  await handshakes.answered(0, 1, 2, Buffer.alloc(0));
  assert.deepEqual(said, [
    [0, 0, '1:1'],
    [0, 0, '1:2'],
    [1, 0, '2:1'],
    [0, 1, '3:1'],
    [0, 1, undefined],
  ]);
});
