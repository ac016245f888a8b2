import { createRequire } from 'node:module';
import { mock } from 'node:test';

const platform = createRequire(import.meta.url)('../dist/platform.js') as {
  dateNow(): number;
  performanceNow(): number;
  setTimeout: typeof setTimeout;
};

/** Has the package, which takes its clock once when it is loaded, read this one until it is restored. */
export function readClock(now: () => number): { restore(): void } {
  const { mock: replaced } = mock.method(platform, 'dateNow', now);
  return { restore: () => replaced.restore() };
}

/** Has the package think that so many ms have passed, until this is restored. Timers go on as they were. */
export function skipAhead(ms: number): { restore(): void } {
  const now = platform.performanceNow;
  const { mock: replaced } = mock.method(platform, 'performanceNow', () => now() + ms);
  return { restore: () => replaced.restore() };
}

/** Has what the package gives so many ms, a number that it uses for nothing else, have no time at all until this is restored. */
export function timeOutAtOnce(limit: number): { restore(): void } {
  const wait = platform.setTimeout;
  const soon = (callback: () => void, ms?: number, ...rest: []) =>
    wait(callback, ms === limit ? 0 : ms, ...rest);
  const { mock: replaced } = mock.method(platform, 'setTimeout', soon as typeof setTimeout);
  return { restore: () => replaced.restore() };
}
