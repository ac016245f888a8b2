// The native core's own tests, without Node: node scripts/test-native.mjs [plain|asan|tsan|fuzz] [--seconds N]
//   plain  GoogleTest; further arguments after -- go to it (-- --gtest_filter=TimerWheel.*)
//   asan   the same under AddressSanitizer and UndefinedBehaviorSanitizer
//   tsan   the same under ThreadSanitizer
//   fuzz   every target of test/native/fuzz/, N seconds each (60), two at a time, from its seeds in
//          test/native/fuzz/seeds/<name>/
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { build, configure, fail, filesBelow, hasTool, requireTool, root, run } from './native-tools.mjs';

const sanitizers = { plain: '', asan: 'address,undefined', tsan: 'thread' };
const sanitizerOptions = {
  ASAN_OPTIONS: 'detect_stack_use_after_return=1:strict_string_checks=1:check_initialization_order=1',
  UBSAN_OPTIONS: 'print_stacktrace=1',
  TSAN_OPTIONS: 'second_deadlock_stack=1',
};

const { lane, seconds, gtestArguments } = readArguments();
if (lane === 'fuzz') await fuzz();
else test();

function readArguments() {
  const everything = process.argv.slice(2);
  const divider = everything.indexOf('--');
  const own = divider === -1 ? everything : everything.slice(0, divider);
  let parsed;
  try {
    parsed = parseArgs({
      args: own,
      allowPositionals: true,
      options: { seconds: { type: 'string', default: '60' } },
    });
  } catch (error) {
    fail(error.message);
  }
  const [chosen = 'plain', ...rest] = parsed.positionals;
  const duration = Number(parsed.values.seconds);
  if (rest.length > 0 || (chosen !== 'fuzz' && !(chosen in sanitizers)))
    fail('usage: test-native.mjs [plain|asan|tsan|fuzz] [--seconds N] [-- gtest options]');
  if (!Number.isInteger(duration) || duration < 1) fail('--seconds wants a whole number of seconds');
  return {
    lane: chosen,
    seconds: duration,
    gtestArguments: divider === -1 ? [] : everything.slice(divider + 1),
  };
}

function test() {
  const compiler = [process.env.CXX, 'c++', 'g++', 'clang++'].find((tool) => tool && hasTool(tool));
  if (compiler === undefined) fail('a C++20 compiler is missing (on Debian: apt-get install g++)');
  // Not named build-plain: this one is also the developer's own, with the compile_commands.json that editors read.
  const folder = lane === 'plain' ? 'native' : lane;
  configure(folder, {
    EVENKEEL_SANITIZE: sanitizers[lane],
    EVENKEEL_TESTS: 'ON',
    CMAKE_COMPILE_WARNING_AS_ERROR: process.env.CI === 'true' ? 'ON' : 'OFF',
  });
  build(folder, 'evenkeel_native_tests');
  if (lane === 'plain' && process.platform === 'linux') compileKqueue(compiler);
  run(path.join(root, `build-${folder}`, 'evenkeel_native_tests'), gtestArguments, sanitizerOptions);
}

/** Where there is no kqueue its poller is compiled all the same, against declarations of what it uses. */
function compileKqueue(compiler) {
  const system = ['-U__linux__', '-D__DragonFly__', '-I', 'test/native/kqueue'];
  const strict = ['-fsyntax-only', '-std=c++20', '-Wall', '-Wextra', '-Werror'];
  run(compiler, [...strict, ...system, '-I', 'native', 'native/base/kqueue.cc']);
}

async function fuzz() {
  requireTool('clang++', 'clang');
  const names = filesBelow(path.join('test', 'native', 'fuzz'), ['.cc'])
    .map((file) => path.basename(file, '.cc'))
    .filter((name) => name.endsWith('_fuzzer'));
  if (names.length === 0) fail('no *_fuzzer.cc in test/native/fuzz');
  configure('fuzz', { EVENKEEL_FUZZ: 'ON', CMAKE_CXX_COMPILER: 'clang++' });
  build('fuzz', ...names);
  // A target is one thread, and the smallest machine this runs on has two cores.
  const waiting = [...names];
  const failures = [];
  const work = async () => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      console.log(`test-native: ${name}, ${seconds} s`);
      const { status, output } = await runFuzzer(name);
      console.log(`test-native: ${name} ${status === 0 ? 'found nothing' : 'failed'}\n${output}`);
      if (status !== 0) failures.push(name);
    }
  };
  await Promise.all([work(), work()]);
  if (failures.length > 0) fail(`${failures.join(', ')} failed`);
}

/** Its output comes as a whole, so that those of two targets do not mix. */
function runFuzzer(name) {
  // libFuzzer writes what it finds into the first folder; the seeds stay as they are in git.
  const found = path.join('build-fuzz', 'corpus', name);
  const seeds = path.join('test', 'native', 'fuzz', 'seeds', name.slice(0, -'_fuzzer'.length));
  mkdirSync(path.join(root, found), { recursive: true });
  const args = [
    ...(existsSync(path.join(root, seeds)) ? [found, seeds] : [found]),
    `-max_total_time=${seconds}`,
    '-timeout=10',
    '-print_final_stats=1',
    '-verbosity=1',
    `-artifact_prefix=build-fuzz/${name}-`,
  ];
  return new Promise((resolve) => {
    const child = spawn(path.join(root, 'build-fuzz', name), args, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...sanitizerOptions },
    });
    const chunks = [];
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => chunks.push(chunk));
    child.on('error', (error) => resolve({ status: 1, output: error.message }));
    child.on('close', (code, signal) =>
      resolve({ status: code ?? signal, output: Buffer.concat(chunks).toString() }),
    );
  });
}
