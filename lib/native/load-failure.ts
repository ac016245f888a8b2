import { closeSync, openSync, readFileSync, readSync } from 'node:fs';

import path = require('node:path');

import { EvenkeelError, UnsupportedError } from '../errors';

/** `e_machine` in an ELF file, by Node's names of architectures. */
const MACHINES: Readonly<Record<string, number>> = {
  ia32: 3,
  ppc64: 21,
  s390x: 22,
  arm: 40,
  x64: 62,
  arm64: 183,
  riscv64: 243,
  loong64: 258,
};

interface Explanation {
  readonly advice: string;
  /** true: what was missing may be available next time. */
  readonly passing?: boolean;
}

/**
 * The error for an addon that could not be loaded, with advice depending on the cause. `file` is the path in
 * EVENKEEL_ADDON_PATH; undefined when the addon was searched for beside the package.
 */
export function loadFailure(cause: unknown, file: string | undefined): EvenkeelError {
  const { advice, passing = false } = explain(cause, file);
  const what = file === undefined ? 'its native addon' : `the addon that EVENKEEL_ADDON_PATH names (${file})`;
  const where = `${process.platform} ${process.arch}, ${libc()}`;
  const message = `evenkeel could not load ${what} on ${where}: ${firstLine(cause)}\n${advice}`;
  return passing
    ? new EvenkeelError(message, { cause, retryable: true, multiline: true })
    : new UnsupportedError(message, { cause, multiline: true });
}

/**
 * The error for a failure to load the lmdb package, whose binary is in a separate package; undefined when something was
 * missing only temporarily.
 */
export function lmdbFailure(cause: unknown): UnsupportedError | undefined {
  // The lmdb package also treats an unreadable binary as absent.
  const shared = explainShared(cause, [codeOf(cause), unreadable('/')]);
  if (shared?.passing === true) return undefined;
  const binary = `@lmdb/lmdb-${process.platform}-${process.arch}`;
  const absent =
    `\`lmdb\` and \`${binary}\`, which has its binary, have to lie in node_modules: install optional dependencies, keep both ` +
    "external in a bundle, and for Next.js add './node_modules/@lmdb/**/*' to outputFileTracingIncludes.";
  const message = `the embedded engine could not load the lmdb package: ${firstLine(cause)}`;
  return new UnsupportedError(`${message}\n${shared?.advice ?? absent}`, { cause, multiline: true });
}

function explain(cause: unknown, file: string | undefined): Explanation {
  const message = firstLine(cause);
  // node-gyp-build treats an unreadable folder as empty, so it is read again here.
  const root = file === undefined ? surroundings() : undefined;
  const codes = [codeOf(cause), file === undefined ? root?.problem : unreadable(file)];
  const shared = explainShared(cause, codes);
  if (shared !== undefined) return shared;
  if (file !== undefined && codes.includes('ENOENT')) {
    return { advice: 'There is no such file. A relative path counts from the working directory.' };
  }
  if (root !== undefined && !root.isPackage) return { advice: BUNDLED };
  const advice = wrongBinary(message, file ?? binaryOf(root?.path));
  const remedy = file === undefined ? build(root?.path) : NAMED;
  return { advice: advice === undefined ? remedy : `${advice}\n${remedy}` };
}

/** Reasons that apply to any addon. */
function explainShared(cause: unknown, codes: readonly (string | undefined)[]): Explanation | undefined {
  const message = firstLine(cause);
  if (codes.includes('ERR_DLOPEN_DISABLED') || codes.includes('ERR_ACCESS_DENIED'))
    return { advice: permission() };
  if (codes.includes('EMFILE') || codes.includes('ENFILE') || /too many open files/i.test(message)) {
    return {
      advice: 'The process has no file descriptor left: raise `ulimit -n`, or close some.',
      passing: true,
    };
  }
  if (/Cannot allocate memory/.test(message)) {
    return { advice: 'The system has no memory or address space left for it (`ulimit -v`).', passing: true };
  }
  return undefined;
}

const BUNDLED =
  'This is a bundle, and the addon does not lie beside it: keep `evenkeel` external (and `lmdb`), or copy ' +
  'prebuilds/<platform>-<arch>/evenkeel.*.node of the package and name the copy with EVENKEEL_ADDON_PATH.';

const NAMED =
  'EVENKEEL_ADDON_PATH has to name a file of the same version of evenkeel: ' +
  'prebuilds/<platform>-<arch>/evenkeel.*.node, or build/Release/evenkeel.node.';

function build(root: string | undefined): string {
  const folder = JSON.stringify(root ?? 'node_modules/evenkeel');
  return `Build it with a C++20 compiler, make and Python 3: npm run build:native --prefix ${folder}`;
}

function permission(): string {
  const { permission } = process as { readonly permission?: unknown };
  return permission === undefined
    ? 'Node was started with --no-addons, which forbids every native addon.'
    : 'Node runs under its permission model: give it --allow-addons, and --allow-fs-read for this package and `lmdb`.';
}

function wrongBinary(message: string, file: string | undefined): string | undefined {
  const needed = /version [`'"]?(GLIBC\w*_[\w.]+)'? not found/.exec(message)?.[1];
  if (needed !== undefined) return `The binary needs ${needed}, and the C library of this system is older.`;
  if (/musl|ld-linux|symbol not found/.test(message)) {
    return 'The binary was built for another C library (glibc or musl) than that of this system.';
  }
  if (/Operation not permitted/.test(message)) {
    return 'The file system it lies on allows no executable code (mounted with noexec).';
  }
  if (/incompatible architecture/.test(message)) return 'The binary was built for another architecture.';
  const machine = file === undefined ? undefined : machineOf(file);
  if (machine === undefined || machine === MACHINES[process.arch]) return undefined;
  if (machine === 0) return 'The file is no native addon for this system.';
  const built = Object.keys(MACHINES).find((name) => MACHINES[name] === machine) ?? `machine ${machine}`;
  return `The binary was built for ${built}, and this process is ${process.arch}.`;
}

interface Folder {
  readonly path: string | undefined;
  readonly isPackage: boolean;
  /** The error code for a folder that cannot be read. */
  readonly problem: string | undefined;
}

/** The folder of this file's package, or of a bundle that contains it. */
function surroundings(): Folder {
  if (typeof __dirname === 'undefined') return { path: undefined, isPackage: false, problem: undefined };
  const root = path.join(__dirname, '../..');
  try {
    const { name } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as { name?: unknown };
    return { path: root, isPackage: name === 'evenkeel', problem: unreadable(path.join(root, 'prebuilds')) };
  } catch (error) {
    const problem = codeOf(error);
    return { path: root, isPackage: problem !== undefined && problem !== 'ENOENT', problem };
  }
}

function binaryOf(root: string | undefined): string | undefined {
  try {
    return root === undefined ? undefined : (require('node-gyp-build').path(root) as string);
  } catch {
    return undefined;
  }
}

/** The error code for a file or folder that cannot be read. */
function unreadable(file: string): string | undefined {
  try {
    closeSync(openSync(file, 'r'));
    return undefined;
  } catch (error) {
    return codeOf(error);
  }
}

/** 0 for a file that is not ELF; undefined when the architecture is not recognisable. */
function machineOf(file: string): number | undefined {
  if (process.platform !== 'linux') return undefined;
  try {
    const header = Buffer.alloc(20);
    const descriptor = openSync(file, 'r');
    const length = readSync(descriptor, header, 0, header.length, 0);
    closeSync(descriptor);
    if (length < header.length || header.toString('latin1', 1, 4) !== 'ELF') return 0;
    return header[5] === 1 ? header.readUInt16LE(18) : header.readUInt16BE(18);
  } catch {
    return undefined;
  }
}

/**
 * node-gyp-build detects musl only on Alpine, so its own message may name the wrong libc; the report header does not.
 */
function libc(): string {
  const { report } = process;
  if (process.platform !== 'linux' || report === undefined) return 'system libc';
  const settings = report as { excludeNetwork?: boolean };
  const excluded = settings.excludeNetwork;
  // Otherwise the report resolves the names of all peers of the process.
  if (excluded !== undefined) settings.excludeNetwork = true;
  try {
    const { header } = report.getReport() as { header?: { glibcVersionRuntime?: string } };
    return header?.glibcVersionRuntime === undefined ? 'musl' : `glibc ${header.glibcVersionRuntime}`;
  } catch {
    return 'system libc';
  } finally {
    if (excluded !== undefined) settings.excludeNetwork = excluded;
  }
}

// Not instanceof: in a test runner's context, Node's own errors come from another realm.
function codeOf(error: unknown): string | undefined {
  const code = (error as { readonly code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}

function firstLine(cause: unknown): string {
  const { message = cause } = cause as { readonly message?: unknown };
  return String(message).split('\n', 1)[0] ?? '';
}
