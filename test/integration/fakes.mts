import { createRequire } from 'node:module';
import { performance } from 'node:perf_hooks';

const require = createRequire(import.meta.url);

const TIMERS = [
  'setTimeout',
  'clearTimeout',
  'setInterval',
  'clearInterval',
  'setImmediate',
  'clearImmediate',
  'queueMicrotask',
];

/** Everything that a fake clock takes over, wherever it is to be had; the functions that put it back. */
function replace(object: object, name: string, value: unknown): () => void {
  const before = Object.getOwnPropertyDescriptor(object, name);
  if (before === undefined) return () => {};
  Object.defineProperty(object, name, { value, configurable: true, writable: true });
  return () => Object.defineProperty(object, name, before);
}

/**
 * A fake clock that nobody advances, over all that Jest, Vitest, Sinon and node:test replace between them: what is put
 * off is dropped, and it is always the year 2001.
 */
export function fakeTimers(): Disposable {
  const never = (): object => ({ unref() {}, ref() {} });
  const back = [
    ...[globalThis, require('node:timers')].flatMap((object) =>
      TIMERS.map((name) => replace(object, name, never)),
    ),
    replace(require('node:timers/promises'), 'setTimeout', () => new Promise(() => {})),
    replace(require('node:timers/promises'), 'setImmediate', () => new Promise(() => {})),
    replace(process, 'nextTick', () => {}),
    replace(Date, 'now', () => 1e12),
    replace(performance, 'now', () => 0),
    replace(Math, 'random', () => Number.NaN),
  ];
  return {
    [Symbol.dispose]() {
      for (const each of back.reverse()) each();
    },
  };
}
