import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Opcode, startServer } from '../../lib/testing/index.ts';
import { startAuthenticating } from './authenticating.mts';
import { RawClient, type RawRequest, u32 } from './raw-client.mts';
import { TextClient } from './text-client.mts';
import { skipWithout } from './tool.mts';

const credentials = { username: 'ada', password: 'se:cret' };

const login = (text: string, length = text.length): string => `set any 0 0 ${length}\r\n${text}\r\n`;

test('a text connection is authenticated as by memcached -Y', {
  skip: skipWithout('memcached', 'memcached'),
}, async (t) => {
  await using real = await startAuthenticating('-Y', credentials);
  await using server = await startServer({ credentials });
  // One line at a time: memcached answers only the last of several that came together.
  for (const [last, ...before] of [
    ['get a\r\n'],
    ['mn\r\n', 'version\r\n', 'set\r\n', 'set a 0 0\r\n', 'set a 0 0 x\r\n', 'add a 0 0 1\r\n'],
    [`${login('ada se:cret')}set a 0 0 2\r\nhi\r\nget a\r\n`],
    [`${login('ada se:cret')}get b\r\n`, 'get a\r\n', login('ada wrong'), 'get a\r\n'],
    [login('ada')],
    [login('')],
    [login(' ada  se:cret  more ')],
    [login('se:cret ada')],
    [login('other se:cret')],
    ['x\r\n', 'set any 0 0 4\r\nada 12'],
    ['set a b c 11 d e f\r\nada se:cret\r\nget b\r\n'],
    ['x'.repeat(3000)],
  ])
    await t.test(JSON.stringify(last?.slice(0, 60)), async () => {
      const [theirs, ours] = await Promise.all(
        [real, server].map(async (each) => {
          const client = await TextClient.connect(each);
          const answers: string[] = [];
          for (const said of before) {
            client.send(said);
            answers.push(await client.until((text) => text.endsWith('\n')));
          }
          answers.push(await client.finish(last));
          return answers;
        }),
      );
      assert.deepEqual(ours, theirs);
    });
  const { auth_cmds, auth_errors } = await server.stats();
  assert.ok(Number(auth_cmds) > Number(auth_errors) && Number(auth_errors) > 0);
});

test('a login that is too long to be one ends the connection', async () => {
  await using server = await startServer({ credentials });
  const client = await TextClient.connect(server);
  assert.equal(await client.finish('set a 0 0 9999999\r\n'), 'CLIENT_ERROR auth token too long\r\n');
});

const auth = (value: string, key = 'PLAIN'): RawRequest => ({ opcode: Opcode.saslAuth, key, value });
const step = (value: string, key = 'PLAIN'): RawRequest => ({ opcode: Opcode.saslStep, key, value });
const list: RawRequest = { opcode: Opcode.saslListMechs };
const get: RawRequest = { opcode: Opcode.get, key: 'k' };
const noop: RawRequest = { opcode: Opcode.noop };
const version: RawRequest = { opcode: Opcode.version };
const set: RawRequest = { opcode: Opcode.set, key: 'k', value: 'v', extras: u32(0, 0) };

test('a binary connection is authenticated as by memcached -S', {
  skip: skipWithout('memcached', 'memcached') || skipWithout('saslpasswd2', 'sasl2-bin'),
}, async (t) => {
  await using real = await startAuthenticating('-S', credentials);
  await using server = await startServer({ credentials });
  const scripts: Record<string, RawRequest[]> = {
    'before it, only what needs none': [list, version, noop],
    'a command before it ends the connection': [set, noop],
    'the right password': [auth('\0ada\0se:cret'), set, get, list, noop],
    'the right password for oneself': [auth('ada\0ada\0se:cret'), get],
    'a wrong password, then the right one': [auth('\0ada\0wrong'), auth('\0ada\0se:cret'), get],
    'a wrong password, then a command': [auth('\0ada\0wrong'), get],
    'an unknown user': [auth('\0bob\0se:cret')],
    'an unknown mechanism': [auth('\0ada\0se:cret', 'SCRAM-SHA-1'), auth('', 'NONSENSE')],
    'a message that is none': [auth('ada'), auth('\0ada'), auth('\0\0'), auth('\0ada\0se:cret\0')],
    'the message in a second step': [auth(''), step('\0ada\0se:cret'), get],
    'a wrong message in a second step': [auth(''), step('\0ada\0wrong'), get],
    'a second step without a first': [step('\0ada\0se:cret'), get],
    'lists with a key end the connection': [{ ...list, key: 'k' }, noop],
    'no mechanism': [auth('\0ada\0se:cret', ''), noop],
    'a wrong password once it is authenticated': [auth('\0ada\0se:cret'), auth('\0ada\0wrong'), get],
  };
  for (const [name, requests] of Object.entries(scripts))
    await t.test(name, async () => {
      const [theirs, ours] = await Promise.all(
        [real, server].map(async (each) => {
          const client = await RawClient.connect(each);
          const answers: unknown[] = [];
          for (const request of requests) {
            client.send(request);
            const answer = await client.answers(1).catch(() => undefined);
            if (answer === undefined) return [...answers, 'the end'];
            for (const { opcode, status, value, cas } of answer)
              answers.push({
                opcode,
                status,
                value: opcode === Opcode.version ? 'version' : value.toString(),
                stored: cas !== 0n,
              });
          }
          await client.close();
          return answers;
        }),
      );
      assert.deepEqual(ours, theirs);
    });
});

test('without credentials there is no SASL', async () => {
  await using server = await startServer();
  const client = await RawClient.connect(server);
  for (const request of [list, auth('\0ada\0se:cret'), step('')])
    assert.equal((await client.ask(request)).status, 0x81);
  await client.close();
});

test('credentials that cannot be given are refused', async () => {
  const given: [unknown, string][] = [
    ['ada', 'credentials'],
    [null, 'credentials'],
    [{ username: 'ada' }, 'credentials.password'],
    [{ username: '', password: 'p' }, 'credentials.username'],
    [{ username: 'ada', password: 'a\0b' }, 'credentials.password'],
    [{ username: 5, password: 'p' }, 'credentials.username'],
  ];
  for (const [value, argument] of given)
    await assert.rejects(startServer({ credentials: value as typeof credentials }), {
      code: 'EVENKEEL_INVALID_ARGUMENT',
      context: { argument },
    });
  await assert.rejects(
    startServer({ credentials: { ...credentials, pasword: '' } as typeof credentials }),
    /did you mean password\?/,
  );
});
