// Makes prebuilds/<platform>-<arch>/evenkeel.<libc>.node and refuses it when it would not run elsewhere. A binary asks
// for the newest C library symbol it was linked against, so release builds belong on the oldest image to be supported.
// With --when-older nothing is made where there is one that is newer than the developer's own addon.
import { execFileSync } from 'node:child_process';
import { rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { promisify } from 'node:util';
import { nodeGypEnvironment } from './node-gyp.mjs';
import { separateBuildFolder } from './separate-build.mjs';

const root = path.resolve(import.meta.dirname, '..');
const maximumGlibc = '2.34';
const maximumBytes = 600 * 1024;
const entryPoints = ['napi_register_module_v1', 'node_api_module_get_api_version_v1'];

const prebuildify = promisify(createRequire(import.meta.url)('prebuildify'));
const musl = process.platform === 'linux' && !process.report.getReport().header.glibcVersionRuntime;
const libc = musl ? 'musl' : 'glibc';

const folder = path.join(root, 'prebuilds', `${process.platform}-${process.arch}`);
const tag = process.platform === 'linux' ? `.${libc}` : '';
const file = path.join(folder, `evenkeel${tag}.node`);
if (process.argv.includes('--when-older')) {
  const changed = (name) => statSync(name, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (changed(file) > changed(path.join(root, 'build', 'Release', 'evenkeel.node'))) process.exit(0);
}

Object.assign(process.env, nodeGypEnvironment());
delete process.env.EVENKEEL_SANITIZE;
rmSync(folder, { recursive: true, force: true });
await prebuildify({
  cwd: separateBuildFolder(root, 'prebuild'),
  out: root,
  name: 'evenkeel',
  targets: [process.versions.node],
  napi: true,
  strip: true,
  tagLibc: process.platform === 'linux',
  libc,
  quiet: !process.argv.includes('--verbose'),
});

const bytes = statSync(file).size;
const faults = [];
console.log(
  `prebuild: ${path.relative(root, file)}, ${Math.ceil(bytes / 1024)} KB of ${maximumBytes / 1024} KB`,
);
if (bytes > maximumBytes) faults.push('it exceeds its size budget');
if (process.platform === 'linux') {
  checkSymbols();
  checkHardening();
}

for (const fault of faults) console.error(`prebuild: ${fault}`);
process.exitCode = faults.length === 0 ? 0 : 1;

function checkSymbols() {
  const symbols = (...options) => execFileSync('nm', ['-D', ...options, file], { encoding: 'utf8' });
  const needed = symbols('--undefined-only', '--with-symbol-versions');

  const versions = [...needed.matchAll(/@GLIBC_([\d.]+)/g)].map((match) => match[1]).sort(compareVersions);
  const newest = versions.at(-1);
  if (newest !== undefined) {
    console.log(`prebuild: needs glibc ${newest} (at most ${maximumGlibc})`);
    if (compareVersions(newest, maximumGlibc) > 0)
      faults.push(`it needs glibc ${newest}, newer than ${maximumGlibc}`);
  }

  const runtime = needed.match(/@(GLIBCXX|CXXABI)_\S+/);
  if (runtime) faults.push(`it needs ${runtime[0].slice(1)} of the user's C++ runtime`);

  const exported = symbols('--defined-only')
    .split('\n')
    .map((line) => line.split(' ').at(-1))
    .filter(Boolean);
  console.log(`prebuild: exports ${exported.join(', ')}`);
  const extra = exported.filter((name) => !entryPoints.includes(name));
  if (extra.length > 0) faults.push(`it exports ${extra.join(', ')}`);
  const absent = entryPoints.filter((name) => !exported.includes(name));
  if (absent.length > 0) faults.push(`it lacks ${absent.join(', ')}`);
}

/**
 * What the addon is protected by: see native/addon.gyp. FORTIFY leaves no trace while nothing calls a function with a buffer
 * whose size the compiler knows.
 */
function checkHardening() {
  const headers = execFileSync('readelf', ['--wide', '--program-headers', '--dynamic', file], {
    encoding: 'utf8',
  });
  const symbols = execFileSync('nm', ['-D', '--undefined-only', file], { encoding: 'utf8' });
  const protections = {
    'read-only relocations': /GNU_RELRO/.test(headers),
    'binding at load': /BIND_NOW|FLAGS_1.*\bNOW\b/.test(headers),
    'a stack that is not executable': /GNU_STACK.* RW /.test(headers),
    'stack protectors': /__stack_chk_fail/.test(symbols),
  };
  const absent = Object.keys(protections).filter((name) => !protections[name]);
  console.log(
    `prebuild: protected by ${Object.keys(protections)
      .filter((name) => protections[name])
      .join(', ')}`,
  );
  if (absent.length > 0) faults.push(`it lacks ${absent.join(', ')}`);
}

function compareVersions(a, b) {
  return a.localeCompare(b, 'en', { numeric: true });
}
