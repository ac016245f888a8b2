/* global jest, test */
const { scenario } = require('./scenario.cjs');

test('both engines, and fake timers', () =>
  scenario({
    evenkeel: require('evenkeel'),
    testing: require('evenkeel/testing'),
    useFakeTimers: () => jest.useFakeTimers(),
    useRealTimers: () => jest.useRealTimers(),
  }));
