import { checkOptions, invalidArgument, optionNames, shown } from '../arguments';

/** When records of a class expire. At least one of `age` and `count` is required. */
export interface TimeToLive {
  /** Seconds since the record was inserted; may be a fraction. */
  readonly age?: number | undefined;
  /** The number of records that the class keeps; the oldest are removed first. */
  readonly count?: number | undefined;
  /** true: an update restarts the age of the record. Default false. */
  readonly renewOnUpdate?: boolean | undefined;
}

const NAMES = optionNames<TimeToLive>({ age: true, count: true, renewOnUpdate: true });

/** A frozen copy. Throws InvalidArgumentError (`ttl`, `ttl.age`, …) for an invalid policy. */
export function checkTimeToLive(given: unknown): TimeToLive {
  const { age, count, renewOnUpdate } = checkOptions(given, NAMES, 'ttl');
  if (age === undefined && count === undefined)
    throw invalidArgument('ttl', 'ttl has an age, a count or both');
  if (age !== undefined && !(typeof age === 'number' && age > 0 && age < Number.POSITIVE_INFINITY))
    throw invalidArgument('ttl.age', `ttl.age is a number of seconds, more than 0, not ${shown(age)}`);
  if (count !== undefined && !(typeof count === 'number' && Number.isSafeInteger(count) && count > 0))
    throw invalidArgument('ttl.count', `ttl.count is an integer, 1 or more, not ${shown(count)}`);
  if (renewOnUpdate !== undefined && typeof renewOnUpdate !== 'boolean')
    throw invalidArgument('ttl.renewOnUpdate', `ttl.renewOnUpdate is a boolean, not ${shown(renewOnUpdate)}`);
  return Object.freeze({
    ...(age !== undefined && { age }),
    ...(count !== undefined && { count }),
    ...(renewOnUpdate === true && { renewOnUpdate }),
  });
}
