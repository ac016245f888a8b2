import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { faultSection } from '../../bench/faults/table.mts';
import { savedRun, speedSection } from '../../bench/readme.mts';
import { startServer, type TestServer } from '../../lib/testing/index.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const readme = await readFile(join(root, 'README.md'), 'utf8');
const documents = [
  'README.md',
  'docs/events.md',
  'docs/clusters.md',
  'docs/caching.md',
  'docs/observability.md',
  'docs/scheduling.md',
  'docs/coming-from-extremedb.md',
];

// Inside the package, so that it resolves its own name.
const folder = join(root, 'build-readme', String(process.pid));
let server: TestServer;
/** What documents call cache-1, cache-2 and so on. */
let fleet: TestServer[];

before(async () => {
  server = await startServer();
  fleet = await Promise.all(Array.from({ length: 4 }, () => startServer()));
  await mkdir(folder, { recursive: true });
});

after(async () => {
  await Promise.all([server, ...fleet].map((each) => each.close()));
  await rm(folder, { recursive: true, force: true });
});

const examples: { readonly file: string; readonly code: string }[] = [];
for (const document of documents) {
  const text = await readFile(join(root, document), 'utf8');
  let section = '';
  for (const [, heading, code] of text.matchAll(/^## (.+?)\n|^```ts\n([\s\S]*?)^```/gm)) {
    if (heading !== undefined) section = heading;
    if (code === undefined) continue;
    const file = join(folder, `example-${examples.length + 1}.mts`);
    examples.push({ file, code });
    test(`the example of ${document} under "${section}" runs and ends by itself`, async () => {
      const program = code
        .replaceAll('memcached://127.0.0.1:11211', server.url)
        .replaceAll(/cache-(\d):11211/g, (_, number) => `127.0.0.1:${fleet[Number(number) - 1]?.port}`);
      await writeFile(file, program);
      const { stderr } = await promisify(execFile)(process.execPath, ['--import', 'tsx', file], {
        cwd: root,
        timeout: 600_000,
      });
      assert.equal(stderr, '');
    });
  }
}

test('the examples are typed', async () => {
  for (const { file, code } of examples) await writeFile(file, code);
  const options = { rootDir: root, noEmit: true, declaration: false, lib: ['ES2023', 'ESNext.Disposable'] };
  const project = { extends: join(root, 'tsconfig.json'), compilerOptions: options, include: ['*.mts'] };
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(project));
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  await promisify(execFile)(process.execPath, [tsc, '-p', folder]).catch(({ stdout }) => assert.fail(stdout));
});

test('the README lists every operation and no other', async () => {
  const library = await import('evenkeel');
  const database = Object.getOwnPropertyNames(library.Transactions.prototype);
  const listed = /^All operations: `(.+)`\.$/m.exec(readme)?.[1]?.split(' ') ?? [];
  assert.deepEqual(listed.toSorted(), database.filter((name) => name !== 'constructor').toSorted());
});

test("the README's figures are those of the runs it names", () => {
  const section = /<!-- speed[\s\S]*<!-- \/speed -->/.exec(readme)?.[0] ?? '';
  const [core = '', embedded = ''] = [...section.matchAll(/`(bench\/results\/.+?\.json)`/g)].map(
    ([, file]) => file,
  );
  assert.equal(section, speedSection(savedRun(join(root, core)), savedRun(join(root, embedded))));
});

test('the figures of docs/reliability.md are those of the run it names', async () => {
  const text = await readFile(join(root, 'docs/reliability.md'), 'utf8');
  const section = /<!-- faults[\s\S]*<!-- \/faults -->/.exec(text)?.[0] ?? '';
  const file = /`(bench\/results\/.+?\.json)`/.exec(section)?.[1] ?? '';
  assert.equal(section, faultSection(join(root, file)));
});
