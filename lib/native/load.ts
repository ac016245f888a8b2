import path = require('node:path');

import { UnsupportedError } from '../errors';
import type { NativeAddon } from './addon';

let loaded: NativeAddon | undefined;

/**
 * The native addon, loaded at the first call so that importing the package succeeds on every platform.
 *
 * `EVENKEEL_ADDON_PATH` names a `.node` file to load instead of the one found beside the package: for bundlers that
 * move it, and for instrumented builds. Throws UnsupportedError where no binary can be loaded.
 */
export function loadAddon(): NativeAddon {
  loaded ??= load();
  return loaded;
}

function load(): NativeAddon {
  if (process.platform === 'win32') {
    throw new UnsupportedError(
      'evenkeel has no event base for win32 yet: its native part runs on Linux and macOS (or inside WSL).',
    );
  }
  const explicit = process.env.EVENKEEL_ADDON_PATH;
  try {
    if (explicit) return require(path.resolve(explicit)) as NativeAddon;
    // File tracers (@vercel/nft and what is built on it) follow this exact form of call and ship the binary along.
    return require('node-gyp-build')(path.join(__dirname, '../..')) as NativeAddon;
  } catch (cause) {
    throw new UnsupportedError(explicit ? explicitMessage(explicit, cause) : missingMessage(cause), {
      cause,
    });
  }
}

function explicitMessage(file: string, cause: unknown): string {
  return `evenkeel could not load the addon that EVENKEEL_ADDON_PATH names (${file}): ${firstLine(cause)}`;
}

function missingMessage(cause: unknown): string {
  const root = path.join(__dirname, '../..');
  return [
    `evenkeel has no native addon that loads on ${process.platform} ${process.arch} (${libc()}): ${firstLine(cause)}`,
    `Build it with a C++20 compiler, make and Python 3: npm run install --prefix ${JSON.stringify(root)}`,
  ].join('\n');
}

/** node-gyp-build knows musl only as Alpine, so its own message may name the wrong libc; the report header does not. */
function libc(): string {
  if (process.platform !== 'linux') return 'system libc';
  const report = process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined;
  const version = report?.header?.glibcVersionRuntime;
  return version ? `glibc ${version}` : 'musl';
}

function firstLine(cause: unknown): string {
  const message = cause instanceof Error ? cause.message : String(cause);
  return message.split('\n', 1)[0] ?? message;
}
