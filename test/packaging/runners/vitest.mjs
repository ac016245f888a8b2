import * as evenkeel from 'evenkeel';
import * as testing from 'evenkeel/testing';
import { test, vi } from 'vitest';
import { scenario } from './scenario.cjs';

const names = [
  'setTimeout',
  'clearTimeout',
  'setInterval',
  'clearInterval',
  'setImmediate',
  'clearImmediate',
];
// Vitest itself cannot do without it in a process of its own.
if (process.env.POOL !== 'forks') names.push('nextTick');
const toFake = [...names, 'queueMicrotask', 'performance', 'Date'];

test('both engines, and fake timers', () =>
  scenario({
    evenkeel,
    testing,
    useFakeTimers: () => vi.useFakeTimers({ toFake }),
    useRealTimers: () => vi.useRealTimers(),
  }));
