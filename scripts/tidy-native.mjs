// clang-tidy (.clang-tidy) over the native core; any warning fails. native/addon is left out: its headers are Node's.
// node scripts/tidy-native.mjs [files]
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { configure, fail, requireTool, root } from './native-tools.mjs';

requireTool('clang-tidy', 'clang-tidy');
// An existing build keeps its options: its compile_commands.json is also what editors read.
const configured = existsSync(path.join(root, 'build-native', 'CMakeCache.txt'));
configure('native', configured ? {} : { EVENKEEL_TESTS: 'OFF' });

const database = path.join(root, 'build-native', 'compile_commands.json');
const core = path.join(root, 'native') + path.sep;
const compiled = JSON.parse(readFileSync(database, 'utf8'))
  .map((entry) => path.resolve(entry.directory, entry.file))
  .filter((file) => file.startsWith(core) && !file.startsWith(path.join(core, 'addon')));
const named = process.argv.slice(2).map((file) => path.resolve(file));
const unknown = named.filter((file) => !compiled.includes(file));
if (unknown.length > 0) fail(`not a source of the native core: ${unknown.join(', ')}`);

const files = named.length > 0 ? named : compiled;
const jobs = Math.min(availableParallelism(), 8);
const shares = Array.from({ length: jobs }, (_, job) => files.filter((_, i) => i % jobs === job));
const outcomes = await Promise.all(shares.filter((share) => share.length > 0).map(tidy));
if (outcomes.includes(false)) fail('clang-tidy failed');

/** Its output comes as a whole, so that those of several do not mix. */
function tidy(share) {
  const args = ['--quiet', '--warnings-as-errors=*', '-p', path.join(root, 'build-native'), ...share];
  return new Promise((resolve) => {
    execFile('clang-tidy', args, { cwd: root, maxBuffer: 1 << 28 }, (error, stdout, stderr) => {
      if (error !== null) process.stdout.write(stdout + stderr);
      resolve(error === null);
    });
  });
}
