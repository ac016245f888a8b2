// The child of compare.mts: one load on the client of any checkout, in slices. Its only argument is a SliceRequest as JSON.
// For each number it reads, one a line, it does so many operations and prints the µs of CPU that one of them took; a 0
// comes first, when it is ready. It ends with its input.
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { makeKeys, makeValue } from './keys.mts';

export interface SliceRequest {
  /** A folder in which `npm run setup` has been run. */
  checkout: string;
  url: string;
  operation: string;
  base: string;
  /** Operations in flight. */
  depth: number;
  valueSize: number;
}

const keyCount = 10_000;

async function main(request: SliceRequest): Promise<void> {
  const { checkout, url, operation, base, depth, valueSize } = request;
  const entry = pathToFileURL(join(checkout, 'dist', 'index.mjs')).href;
  const { connect, EventBase } = (await import(entry)) as typeof import('evenkeel');
  const eventBase = base === 'thread' ? EventBase.create() : EventBase.host;
  const db = await connect(url, { protocol: 'binary', timeout: 60_000, eventBase }); // as in checkouts from before it was chosen
  const keys = makeKeys('slices', keyCount);
  const value = makeValue('slices', valueSize);
  await Promise.all(keys.map((key) => db.upsert(key, value)));
  let issued = 0;
  let left = 0;

  const operations: Record<string, () => Promise<void>> = {
    async get() {
      while (left-- > 0) {
        const found = await db.get<Buffer>(keys[issued++ % keyCount] ?? '');
        if (found?.length !== valueSize) throw new Error('another value came back');
      }
    },
    async set() {
      while (left-- > 0) {
        await db.upsert(keys[issued++ % keyCount] ?? '', value);
      }
    },
  };
  const loop = operations[operation];
  if (loop === undefined) throw new Error(`--operation is one of ${Object.keys(operations).join(', ')}`);

  console.log(0);
  for await (const line of createInterface(process.stdin)) {
    const count = Number(line);
    left = count;
    const before = process.cpuUsage();
    await Promise.all(Array.from({ length: depth }, loop));
    const { user, system } = process.cpuUsage(before);
    console.log((user + system) / count);
  }
  process.exit(0);
}

await main(JSON.parse(process.argv[2] ?? '{}'));
