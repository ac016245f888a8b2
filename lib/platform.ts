import { performance } from 'node:perf_hooks';

import timers = require('node:timers');

import { setTimeout as promisedTimeout } from 'node:timers/promises';

/**
 * What this package needs of the platform, taken once when it is loaded. Test runners put fakes in the place of these
 * globals for as long as a test runs, and drop what was put off when they take them away: whatever read a global at its
 * call would wait for ever. No other file of `lib/` reads them.
 *
 * A test environment may have faked its own globals before this package is loaded. The modules of Node are not among them.
 */
export const { setTimeout, clearTimeout, setInterval, clearInterval, setImmediate, clearImmediate } = timers;

/** Resolves after so many ms. */
export const delay = promisedTimeout;

const { getBuiltinModule } = process as { getBuiltinModule?: (name: 'node:process') => typeof process };

/** In some test environments the global `process` is a copy, whose functions are faked and which tells of no exit. */
export const nodeProcess = getBuiltinModule?.('node:process') ?? process;

export const { nextTick } = nodeProcess;

const settled = Promise.resolve();

/** By a promise, which nobody can fake. */
export const queueMicrotask = (callback: () => void): void => {
  void settled.then(callback);
};

/** ms since 1970. A database outlives the test that turned its clock back. */
export const dateNow = Date.now;

/** ms since some moment; it never jumps. */
export const performanceNow = performance.now.bind(performance);

export const { random } = Math;
