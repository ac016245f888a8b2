import { performance } from 'node:perf_hooks';

import timers = require('node:timers');

import { setTimeout as promisedTimeout } from 'node:timers/promises';

/**
 * The platform functions that this package uses, read once at load time. Test runners replace these globals with fakes
 * during a test and drop pending timers afterwards, so code that read a global at call time could wait for ever. No
 * other file of `lib/` reads them.
 *
 * A test environment may have replaced its own globals before this package is loaded, but not the modules of Node.
 */
export const { setTimeout, clearTimeout, setInterval, clearInterval, setImmediate, clearImmediate } = timers;

/** Resolves after the given number of ms. */
export const delay = promisedTimeout;

const { getBuiltinModule } = process as { getBuiltinModule?: (name: 'node:process') => typeof process };

/** In some test environments the global `process` is a copy with faked functions and without exit events. */
export const nodeProcess = getBuiltinModule?.('node:process') ?? process;

export const { nextTick } = nodeProcess;

const settled = Promise.resolve();

/** Uses a promise, which cannot be faked. */
export const queueMicrotask = (callback: () => void): void => {
  void settled.then(callback);
};

/** ms since 1970. Real time, because a database outlives a test that sets its clock back. */
export const dateNow = Date.now;

/** ms from an arbitrary origin; monotonic. */
export const performanceNow = performance.now.bind(performance);

export const { random } = Math;
