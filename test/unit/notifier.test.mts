import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Notifier } from '../../lib/engines/embedded/notifier.ts';
import { EventBase } from '../../lib/index.ts';

test('a commit of others that cannot be read ends no process: those who listen are woken, and read for themselves', async () => {
  const path = await mkdtemp(join(tmpdir(), 'evenkeel-notifier-'));
  let wake = (): void => {};
  const woken = new Promise<void>((resolve) => {
    wake = resolve;
  });
  const environment = {
    path,
    options: { readOnly: false, mode: 0o600, allowForeignOwner: false },
    refresh() {},
    head(): never {
      throw new Error('MDB_BAD_RSLOT');
    },
    wake,
  };
  const notifier = new Notifier(environment, EventBase.host);
  // An idle base keeps no process alive.
  EventBase.host.ref();
  notifier.listen();
  writeFileSync(join(path, 'wake'), 'x');
  await woken;
  EventBase.host.unref();
  notifier.close();
  await rm(path, { recursive: true });
});
