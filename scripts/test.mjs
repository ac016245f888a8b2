// npm test [-- <files, folders or node --test options>]: the type check of everything that is not shipped, then the suite.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '..');
// Fast and telling first. What stands in no folder named here comes after, in alphabetical order.
const order = ['unit', 'native', 'conformance', 'integration', 'faults'];
// Packs, installs from the registry and compiles: minutes, and a network. Scripts of their own name them.
const isOnlyWhenNamed = (file) =>
  path.dirname(file) === path.join('test', 'packaging') && path.basename(file) !== 'sources.test.mts';

const options = process.argv.slice(2).filter((argument) => argument.startsWith('-'));
const named = process.argv.slice(2).filter((argument) => !argument.startsWith('-'));
const files =
  named.length === 0 ? tests('test').filter((file) => !isOnlyWhenNamed(file)) : named.flatMap(tests);
if (files.length === 0) {
  console.error(`test: no *.test.mts in ${named.join(', ') || 'test'}`);
  process.exit(1);
}

if (named.length === 0) {
  const found = (tool) =>
    (process.env.PATH ?? '').split(path.delimiter).some((folder) => existsSync(path.join(folder, tool)));
  console.log(
    'test: all of it takes about four minutes on two idle cores, and 1 GiB of memory; nothing is downloaded.',
  );
  for (const [tool, debian] of [
    ['memcached', 'memcached'],
    ['memccapable', 'libmemcached-tools'],
  ]) {
    if (!found(tool))
      console.log(`test: ${tool} is not installed (Debian package ${debian}): what needs it is skipped.`);
  }
}

const tsc = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc');
const types = node([tsc, '-p', 'test/tsconfig.json']);
const suite = node([
  '--expose-gc',
  '--import',
  'tsx',
  '--import',
  new URL('compiled-lib.mjs', import.meta.url).href,
  '--test',
  '--test-concurrency=2',
  // A leaked handle would otherwise keep one file, and with it the whole run, alive for ever. On a loaded machine one may take minutes.
  '--test-timeout=900000',
  ...(options.some((option) => option.startsWith('--test-reporter')) ? [] : ['--test-reporter=spec']),
  ...options,
  ...files,
]);
if (types !== 0) console.error('test: the type check failed, see above the first test');
process.exitCode = suite || types;

function tests(location) {
  const start = path.relative(root, path.resolve(root, location));
  const found = statSync(path.join(root, start)).isDirectory()
    ? readdirSync(path.join(root, start), { recursive: true }).map((name) => path.join(start, name))
    : [start];
  return found
    .filter((file) => file.endsWith('.test.mts'))
    .sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
}

function rank(file) {
  const position = order.indexOf(file.split(path.sep)[1]);
  return position === -1 ? order.length : position;
}

function node(args) {
  const { status } = spawnSync(process.execPath, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  return status ?? 1;
}
