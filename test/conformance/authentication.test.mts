import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { startServer } from '../../lib/testing/index.ts';
import { startMemcached } from './memcached.mts';
import { TextClient } from './text-client.mts';
import { skipWithout } from './tool.mts';

const credentials = { username: 'ada', password: 'se:cret' };

const login = (text: string, length = text.length): string => `set any 0 0 ${length}\r\n${text}\r\n`;

test('a text connection is authenticated as by memcached -Y', {
  skip: skipWithout('memcached', 'memcached'),
}, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'evenkeel-'));
  try {
    await chmod(folder, 0o755);
    const path = join(folder, 'users');
    await writeFile(path, 'other:password\nada:se:cret\n', { mode: 0o644 });
    await using real = await startMemcached({ options: ['-Y', path] });
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
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('a login that is too long to be one ends the connection', async () => {
  await using server = await startServer({ credentials });
  const client = await TextClient.connect(server);
  assert.equal(await client.finish('set a 0 0 9999999\r\n'), 'CLIENT_ERROR auth token too long\r\n');
});
