// The JavaScript suite over an addon built with AddressSanitizer and UndefinedBehaviorSanitizer.
import { execFileSync, spawnSync } from 'node:child_process';
import path from 'node:path';
import { nodeGypEnvironment } from './node-gyp.mjs';
import { separateBuildFolder } from './separate-build.mjs';

if (process.platform !== 'linux') {
  console.error(
    'test-asan: needs Linux, where the sanitizer runtimes can be preloaded into an ordinary node',
  );
  process.exit(1);
}
const root = path.resolve(import.meta.dirname, '..');
const folder = separateBuildFolder(root, 'addon-asan');
const gyp = path.join(root, 'node_modules', 'node-gyp', 'bin', 'node-gyp.js');
const compiler = process.env.CXX ?? 'g++';

console.log('test-asan: building the instrumented addon');
run(process.execPath, [gyp, 'rebuild', '--jobs', 'max', '--loglevel', 'warn', '-C', folder], {
  ...nodeGypEnvironment(),
  CXX: compiler,
  EVENKEEL_SANITIZE: 'address,undefined',
});

// The runtime must come before everything else in the process, and node itself is not linked with it.
const runtimes = ['libasan.so', 'libubsan.so'].map((name) =>
  execFileSync(compiler, [`-print-file-name=${name}`], { encoding: 'utf8' }).trim(),
);
run(process.execPath, [path.join(root, 'scripts', 'test.mjs'), ...process.argv.slice(2)], {
  ...process.env,
  EVENKEEL_ADDON_PATH: path.join(folder, 'build', 'Release', 'evenkeel.node'),
  LD_PRELOAD: runtimes.join(':'),
  // Node frees little of its own at exit; leaks of ours are counted by the suite itself.
  ASAN_OPTIONS: 'detect_leaks=0:abort_on_error=1',
  UBSAN_OPTIONS: 'print_stacktrace=1',
});

function run(command, args, env) {
  const { status } = spawnSync(command, args, { cwd: root, env, stdio: ['ignore', 'inherit', 'inherit'] });
  if (status !== 0) process.exit(status ?? 1);
}
