import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Wire } from '../../lib/engines/network/dialect.ts';
import { WireChoice } from '../../lib/engines/network/wire-choice.ts';
import * as layout from '../../lib/native/layout.ts';

const wireOf = (name: string): Wire => ({ name, protocol: 0, handshake: [] });
const META = wireOf('meta');
const BINARY = wireOf('binary');
const isNew = (version: string): boolean => version === 'new';
const choiceOf = (hint?: string): WireChoice => new WireChoice([META, BINARY], isNew, hint);

const ANSWERED = layout.CAUSE_HANDSHAKE;
const HUNG_UP = layout.CAUSE_END_OF_STREAM;

test('one that is not known is asked in the first protocol, and after any refusal in the other', () => {
  for (const cause of [ANSWERED, HUNG_UP]) {
    const choice = choiceOf();
    assert.deepEqual([choice.wire, choice.isGuess], [META, true]);
    assert.equal(choice.refused(cause), 'at once');
    assert.deepEqual([choice.wire, choice.isGuess], [BINARY, false]);
    assert.equal(choice.connected('old'), false);
    assert.equal(choice.wire, BINARY);
  }
});

test('what another event base has found is where it begins, as a guess', () => {
  const choice = choiceOf('binary');
  assert.deepEqual([choice.wire, choice.isGuess], [BINARY, true]);
  assert.equal(choice.refused(HUNG_UP), 'at once');
  assert.equal(choice.wire, META);
  assert.equal(choiceOf('of another engine').wire, META);
});

test('where both are refused the other is tried only now and then', () => {
  const choice = choiceOf();
  const [first, ...others] = Array.from({ length: 1000 }, () => choice.refused(ANSWERED));
  assert.equal(first, 'at once');
  const changes = others.filter((each) => each !== undefined);
  assert.deepEqual(changes, Array(Math.floor(999 / 8)).fill('after a pause'));
});

test('a server that has become newer is spoken to otherwise, once', () => {
  const choice = choiceOf();
  choice.refused(ANSWERED);
  assert.equal(choice.connected('old'), false);
  choice.lost();
  assert.equal(choice.connected('new'), true);
  assert.deepEqual([choice.wire, choice.isGuess], [META, true]);
  // It only says that it is newer.
  assert.equal(choice.refused(HUNG_UP), 'at once');
  assert.equal(choice.connected('new'), false);
  assert.equal(choice.wire, BINARY);
  choice.lost();
  assert.equal(choice.connected('new'), true);
  assert.equal(choice.connected('new'), false);
  assert.deepEqual([choice.wire, choice.isGuess], [META, false]);
});

test('one that merely hung up and says that it is newer is asked once more, for each connection', () => {
  const choice = choiceOf();
  assert.equal(choice.refused(HUNG_UP), 'at once');
  assert.equal(choice.connected('new'), true);
  assert.deepEqual([choice.wire, choice.isGuess], [META, true]);
  assert.equal(choice.refused(HUNG_UP), 'at once');
  assert.equal(choice.connected('new'), false);
  assert.deepEqual([choice.wire, choice.isGuess], [BINARY, false]);
  const answering = choiceOf();
  answering.refused(ANSWERED);
  assert.equal(answering.connected('new'), false);
});

test('one that was away for long is spoken to in the first protocol again', () => {
  const choice = choiceOf();
  choice.connected('new');
  choice.lost();
  while (choice.wire === META) choice.refused(HUNG_UP);
  assert.equal(choice.connected('new'), true);
  assert.equal(choice.wire, META);
  assert.equal(choice.connected('new'), false);
});

test('what an answer told is not true of the server that is there after a long outage', () => {
  const choice = choiceOf();
  choice.refused(ANSWERED);
  while (choice.wire === BINARY) choice.refused(HUNG_UP);
  while (choice.wire === META) choice.refused(HUNG_UP);
  assert.equal(choice.connected('new'), true);
});

test('of one that was connected an answer is enough, but hanging up may have other reasons', () => {
  const answering = choiceOf();
  answering.connected('new');
  answering.lost();
  assert.equal(answering.refused(ANSWERED), 'at once');
  assert.equal(answering.wire, BINARY);
  const hangingUp = choiceOf();
  hangingUp.connected('new');
  hangingUp.lost();
  const refusals = Array.from({ length: 8 }, () => hangingUp.refused(HUNG_UP));
  assert.deepEqual(refusals, [...Array(7).fill(undefined), 'after a pause']);
});

test('where there is but one protocol nothing is chosen', () => {
  const choice = new WireChoice([BINARY], () => true, 'meta');
  assert.deepEqual([choice.wire, choice.isGuess], [BINARY, false]);
  assert.equal(choice.refused(ANSWERED), undefined);
  assert.equal(choice.connected('new'), false);
});
