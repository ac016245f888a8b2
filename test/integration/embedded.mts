import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe } from 'node:test';
import type { EmbeddedConnectOptions } from '../../lib/connect.ts';
import { type ClassDefinition, connect, type Database } from '../../lib/index.ts';

/** A new directory under the system's temporary one, for a database; removed when it is disposed of. */
export class Directory implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async make(): Promise<Directory> {
    return new Directory(await mkdtemp(join(tmpdir(), 'evenkeel-test-')));
  }

  get url(): `embedded://${string}` {
    return `embedded://${this.path}`;
  }

  /** The file that the database is in. */
  get file(): string {
    return join(this.path, 'data.mdb');
  }

  open<const Classes extends readonly ClassDefinition[] = readonly []>(
    options: EmbeddedConnectOptions<Classes> = {},
  ): Promise<Database<Classes>> {
    return connect(this.url, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}

/** Changes what lies in a tree while nobody has the directory open. */
export async function change(
  { path }: Directory,
  tree: string,
  work: (bytes: Buffer, key: Buffer) => Uint8Array | undefined,
): Promise<void> {
  const BINARY = { encoding: 'binary', keyEncoding: 'binary' } as const;
  const lmdb = createRequire(import.meta.url)('lmdb') as typeof import('lmdb');
  const root = lmdb.open<Uint8Array, Uint8Array>({ ...BINARY, path, noSubdir: false, maxDbs: 64 });
  const opened = root.openDB<Uint8Array, Uint8Array>(tree, BINARY);
  for (const { key, value } of [...opened.getRange({ start: undefined, end: undefined })]) {
    const bytes = work(Buffer.from(value), Buffer.from(key));
    if (bytes !== undefined) await opened.put(key, bytes);
  }
  await root.close();
}

type Open = <const Classes extends readonly ClassDefinition[] = readonly []>(
  options?: EmbeddedConnectOptions<Classes>,
) => Promise<Database<Classes>>;

/** Runs the tests on temporary databases and on databases in directories; each call of `open` makes another. */
export function onBothKinds(title: string, tests: (open: Open) => void): void {
  describe(`${title}: a temporary database`, () => tests((options) => connect('embedded:', options ?? {})));
  describe(`${title}: a database in a directory`, () => {
    tests(async (options) => {
      const directory = await Directory.make();
      const db = await directory.open(options);
      const close = db.close.bind(db);
      // Disposing of the database is what ends a test.
      db[Symbol.asyncDispose] = async () => {
        await close();
        await directory[Symbol.asyncDispose]();
      };
      return db;
    });
  });
}

/** A clock that stands still until it is moved. */
export class Clock {
  #now = Date.UTC(2030, 0, 1);

  readonly read = (): number => this.#now;

  advance(seconds: number): void {
    this.#now += seconds * 1000;
  }
}
