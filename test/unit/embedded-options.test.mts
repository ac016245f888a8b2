import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { type EmbeddedOptions, resolveEmbeddedOptions } from '../../lib/engines/embedded/options.ts';
import { defineClass, field, InvalidArgumentError, onNew } from '../../lib/index.ts';

const A = defineClass('A', { key: 'id', fields: { id: field.uint8() }, events: [onNew('made')] });
const B = defineClass('B', { key: 'id', fields: { id: field.uint8() }, events: [onNew('made')] });

test('the options of an embedded database have the defaults that the README names', async () => {
  const { onProgress, ...resolved } = resolveEmbeddedOptions({}, false);
  assert.equal(onProgress({ class: 'A', index: 'byId', done: 1, total: 1 }), undefined);
  assert.deepEqual(resolved, {
    classes: [],
    events: undefined,
    durability: 'commit',
    readOnly: false,
    mode: 0o600,
    allowForeignOwner: false,
    restored: false,
    timeout: 10_000,
    maxQueued: 131_072,
    retention: { maxAge: 7 * 24 * 60 * 60, maxBytes: 256 * 1024 * 1024 },
    sweeper: true,
    snapshotWarning: 60_000,
    clock: Date.now,
  });
  assert.equal(resolveEmbeddedOptions({}, true).durability, 'none');
  const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8');
  const table = readme.slice(readme.indexOf('For `embedded:`'), readme.indexOf('## Testing your code'));
  const named = [...table.matchAll(/^\| `(\w+)`/gm)].map(([, name]) => name);
  const others = ['onProgress', 'eventBase', 'slowOperations', 'transcoder', 'captureStack'];
  assert.deepEqual(named.toSorted(), [...Object.keys(resolved), ...others].toSorted());
  for (const text of ["| `'commit'` |", '| 10000 |', '| 131072 |', '| `60000` |', '| 7 days, 256 MiB |'])
    assert.ok(table.includes(text), text);
});

const refused: Readonly<Record<string, readonly unknown[]>> = {
  classes: [null, {}, 'A', [null], [{ name: 'A' }], [A, A], [A, B]],
  events: [null, true, 'explicit'],
  durability: [null, true, 'always'],
  readOnly: [1, 'true'],
  restored: [1, 'true'],
  timeout: [0, -1, Number.NaN, '5', 2 ** 31],
  maxQueued: [0, Number.NaN, '5'],
  retention: [null, 5, { maxDays: 5 }],
  'retention.maxAge': [{ maxAge: 0 }, { maxAge: '5' }],
  'retention.maxBytes': [{ maxBytes: Number.NaN }, { maxBytes: null }],
  sweeper: [1, 'no'],
  snapshotWarning: [0, null, Number.NaN, '5'],
  clock: [null, 5, () => Number.NaN, () => '5', () => new Date(), () => 5n],
  onProgress: [null, 5],
};

test('an option that makes no sense is refused by its name', () => {
  for (const [argument, values] of Object.entries(refused)) {
    const [name = ''] = argument.split('.');
    for (const value of values) {
      assert.throws(
        () => resolveEmbeddedOptions({ [name]: value } as EmbeddedOptions, false),
        (error) => error instanceof InvalidArgumentError && error.context.argument === argument,
        `${argument}: ${String(value)}`,
      );
    }
  }
  assert.throws(() => resolveEmbeddedOptions({ readOnly: true }, true), InvalidArgumentError);
});
