import path = require('node:path');

import { EvenkeelError, UnsupportedError } from '../errors';
import type { NativeAddon } from './addon';

/** Must match package.json and native/addon/version.h. */
export const VERSION = '0.1.0';

let loaded: NativeAddon | undefined;

/**
 * The native addon, loaded on the first call, so that importing the package succeeds on every platform. A failed load
 * is tried again on the next call.
 *
 * `EVENKEEL_ADDON_PATH` names a `.node` file to load instead of the one beside the package: for bundlers that move it,
 * and for instrumented builds. Throws UnsupportedError when no binary can be loaded, and a retryable EvenkeelError when
 * only descriptors or memory were missing.
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
  const file = explicit ? path.resolve(explicit) : undefined;
  try {
    // File tracers (@vercel/nft and tools built on it) recognise exactly this form of call and include the binary.
    const addon = file === undefined ? require('node-gyp-build')(path.join(__dirname, '../..')) : open(file);
    return checked(addon as Partial<NativeAddon>);
  } catch (cause) {
    throw explained(cause, file);
  }
}

/** Not require(), which bundlers replace by a version that only knows bundled modules. */
function open(file: string): object {
  const module = { exports: {} };
  process.dlopen(module, file);
  return module.exports;
}

/** The interface may change with every version and is not checked after this. */
function checked(addon: Partial<NativeAddon>): NativeAddon {
  if (addon.createBase === undefined) throw new Error('it is an addon, but not that of evenkeel');
  if (addon.version !== VERSION) {
    throw new Error(
      `it belongs to version ${addon.version ?? 'unknown'} of evenkeel, and this is ${VERSION}`,
    );
  }
  return addon as NativeAddon;
}

function explained(cause: unknown, file: string | undefined): EvenkeelError {
  try {
    const { loadFailure } = require('./load-failure') as typeof import('./load-failure');
    return loadFailure(cause, file);
  } catch {
    // Without descriptors, not even the file with the explanation can be read.
    return new EvenkeelError(`evenkeel could not load its native addon: ${String(cause)}`, {
      cause,
      retryable: true,
    });
  }
}
