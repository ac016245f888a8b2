import { createRequire } from 'node:module';
import { mock } from 'node:test';

const platform = createRequire(import.meta.url)('../dist/platform.js') as { dateNow(): number };

/** Has the package, which takes its clock once when it is loaded, read this one until it is restored. */
export function readClock(now: () => number): { restore(): void } {
  const { mock: replaced } = mock.method(platform, 'dateNow', now);
  return { restore: () => replaced.restore() };
}
