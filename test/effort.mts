/** EVENKEEL_LONG=1 (`npm run test:long`) repeats what `npm test` does a few times as often as it takes to find what is rare. */
export const long = process.env.EVENKEEL_LONG === '1';
