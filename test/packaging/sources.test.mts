import { strict as assert } from 'node:assert';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { root } from './consumer.mts';

test('native/sources.txt lists every C++ source there is, once', async () => {
  const list = await readFile(path.join(root, 'native', 'sources.txt'), 'utf8');
  const listed = list
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim())
    .filter((line) => line !== '');
  const found = (await readdir(path.join(root, 'native'), { recursive: true }))
    .filter((name) => name.endsWith('.cc'))
    .map((name) => path.posix.join('native', name));
  assert.deepEqual([...listed].sort(), found.sort());
});
