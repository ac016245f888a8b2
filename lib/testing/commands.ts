import type { AnswerBuffer } from './answers';
import type { Request, Verdict } from './parser';
import { MAX_KEY_BYTES, NO_CREATE, Opcode, Status } from './protocol';
import type { PrefixCounters } from './stat-groups';
import type { Counters } from './stats';
import { VERSION } from './stats';
import type { Item, Outcome, Store, StoreMode } from './store';

/** What commands act on. */
export interface CommandContext {
  readonly store: Store;
  readonly counters: Counters;
  readonly answers: AnswerBuffer;
  readonly prefixes: PrefixCounters;
  /** A group of STAT by its name, the general one without; undefined for one that there is not. */
  statistics(group: string): Readonly<Record<string, string | number>> | undefined;
}

const versionText = Buffer.from(VERSION, 'latin1');

/**
 * Executes one request and adds its answer, if it has one, to `context.answers`. Lengths that do not suit the command
 * are answered with 0x04 and end the connection, as in memcached's `dispatch_bin_command`.
 */
export function execute(request: Request, context: CommandContext): Verdict {
  if (request.keyLength > MAX_KEY_BYTES) return refuse(request, context);
  switch (request.opcode) {
    case Opcode.get:
    case Opcode.getk:
      return get(request, context, request.opcode === Opcode.getk, false);
    case Opcode.getq:
    case Opcode.getkq:
      return get(request, context, request.opcode === Opcode.getkq, true);
    case Opcode.touch:
      return touch(request, context, false, false, false);
    case Opcode.gat:
    case Opcode.gatk:
      return touch(request, context, true, request.opcode === Opcode.gatk, false);
    case Opcode.gatq:
    case Opcode.gatkq:
      return touch(request, context, true, request.opcode === Opcode.gatkq, true);
    case Opcode.set:
    case Opcode.setq:
      return store(request, context, 'set', request.opcode === Opcode.setq);
    case Opcode.add:
    case Opcode.addq:
      return store(request, context, 'add', request.opcode === Opcode.addq);
    case Opcode.replace:
    case Opcode.replaceq:
      return store(request, context, 'replace', request.opcode === Opcode.replaceq);
    case Opcode.append:
    case Opcode.appendq:
      return extend(request, context, true, request.opcode === Opcode.appendq);
    case Opcode.prepend:
    case Opcode.prependq:
      return extend(request, context, false, request.opcode === Opcode.prependq);
    case Opcode.delete:
    case Opcode.deleteq:
      return remove(request, context, request.opcode === Opcode.deleteq);
    case Opcode.increment:
    case Opcode.incrementq:
      return count(request, context, true, request.opcode === Opcode.incrementq);
    case Opcode.decrement:
    case Opcode.decrementq:
      return count(request, context, false, request.opcode === Opcode.decrementq);
    case Opcode.flush:
    case Opcode.flushq:
      return flush(request, context, request.opcode === Opcode.flushq);
    case Opcode.noop:
      if (request.totalBody !== 0) return refuse(request, context);
      context.answers.done(request, 0);
      return 'continue';
    case Opcode.version:
      if (request.totalBody !== 0) return refuse(request, context);
      context.answers.text(request, versionText);
      return 'continue';
    case Opcode.quit:
    case Opcode.quitq:
      if (request.totalBody !== 0) return refuse(request, context);
      if (request.opcode === Opcode.quit) context.answers.done(request, 0);
      return 'stop';
    case Opcode.stat:
      return stat(request, context);
    default:
      // memcached 1.6 skips extras and key of an unknown command twice and so loses the stream; here it goes on.
      context.answers.error(request, Status.unknownCommand);
      return 'continue';
  }
}

function refuse(request: Request, context: CommandContext): Verdict {
  context.answers.error(request, Status.invalidArguments);
  return 'stop';
}

function get(request: Request, context: CommandContext, withKey: boolean, quiet: boolean): Verdict {
  if (request.extrasLength !== 0 || request.keyLength === 0 || request.totalBody !== request.keyLength) {
    return refuse(request, context);
  }
  context.counters.cmd_get += 1;
  answerItem(request, context, context.store.get(request.key()), withKey, true, quiet);
  return 'continue';
}

function touch(
  request: Request,
  context: CommandContext,
  withValue: boolean,
  withKey: boolean,
  quiet: boolean,
): Verdict {
  if (request.extrasLength !== 4 || request.keyLength === 0 || request.valueLength !== 0) {
    return refuse(request, context);
  }
  const item = context.store.touch(request.key(), request.extrasU32(0));
  context.counters.cmd_touch += 1;
  if (item !== undefined) context.counters.touch_hits += 1;
  else context.counters.touch_misses += 1;
  if (withValue) context.counters.cmd_get += 1;
  answerItem(request, context, item, withKey, withValue, quiet);
  return 'continue';
}

function answerItem(
  request: Request,
  context: CommandContext,
  item: Item | undefined,
  withKey: boolean,
  withValue: boolean,
  quiet: boolean,
): void {
  if (withValue) {
    if (item !== undefined) context.counters.get_hits += 1;
    else context.counters.get_misses += 1;
  }
  if (context.prefixes.enabled) context.prefixes.get(request.key(), item !== undefined);
  if (item !== undefined) context.answers.item(request, item, withKey, withValue);
  else if (quiet) return;
  else if (withKey) context.answers.missWithKey(request);
  else context.answers.error(request, Status.keyNotFound);
}

function store(request: Request, context: CommandContext, mode: StoreMode, quiet: boolean): Verdict {
  if (request.extrasLength !== 8 || request.keyLength === 0) return refuse(request, context);
  const key = request.key();
  const flags = request.extrasU32(0);
  context.counters.cmd_set += 1;
  if (context.prefixes.enabled) context.prefixes.set(key);
  if (request.oversized || !context.store.fits(request.keyLength, flags, request.valueLength)) {
    // Once a newer value has been refused, the older one must not be served as if it were current.
    if (mode === 'set') context.store.remove(key, 0, 0);
    context.answers.error(request, Status.tooLarge);
    return 'continue';
  }
  const { casHigh, casLow } = request;
  const outcome = context.store.store(
    mode,
    key,
    flags,
    request.extrasU32(4),
    request.value(),
    casHigh,
    casLow,
  );
  countCas(request, context.counters, outcome);
  answerMutation(request, context, outcome, quiet);
  return 'continue';
}

function countCas(request: Request, counters: Counters, outcome: Outcome): void {
  if ((request.casHigh | request.casLow) === 0) return;
  if (outcome === Status.success) counters.cas_hits += 1;
  else if (outcome === Status.keyNotFound) counters.cas_misses += 1;
  else counters.cas_badval += 1;
}

function answerMutation(request: Request, context: CommandContext, outcome: Outcome, quiet: boolean): void {
  if (outcome !== Status.success) context.answers.error(request, outcome);
  else if (!quiet) context.answers.done(request, context.store.lastCas);
}

function extend(request: Request, context: CommandContext, atEnd: boolean, quiet: boolean): Verdict {
  if (request.extrasLength !== 0 || request.keyLength === 0) return refuse(request, context);
  context.counters.cmd_set += 1;
  if (context.prefixes.enabled) context.prefixes.set(request.key());
  if (request.oversized || !context.store.fits(request.keyLength, 0, request.valueLength)) {
    context.answers.error(request, Status.tooLarge);
    return 'continue';
  }
  const { casHigh, casLow } = request;
  const outcome = context.store.extend(request.key(), request.value(), atEnd, casHigh, casLow);
  answerMutation(request, context, outcome, quiet);
  return 'continue';
}

function remove(request: Request, context: CommandContext, quiet: boolean): Verdict {
  if (request.extrasLength !== 0 || request.keyLength === 0 || request.totalBody !== request.keyLength) {
    return refuse(request, context);
  }
  if (context.prefixes.enabled) context.prefixes.delete(request.key());
  const outcome = context.store.remove(request.key(), request.casHigh, request.casLow);
  if (outcome === Status.success) context.counters.delete_hits += 1;
  else if (outcome === Status.keyNotFound) context.counters.delete_misses += 1;
  if (outcome !== Status.success) context.answers.error(request, outcome);
  else if (!quiet) context.answers.done(request, 0);
  return 'continue';
}

function count(request: Request, context: CommandContext, up: boolean, quiet: boolean): Verdict {
  if (request.extrasLength !== 20 || request.keyLength === 0 || request.valueLength !== 0) {
    return refuse(request, context);
  }
  const key = request.key();
  const result = context.store.count(key, request.extrasU64(0), up, request.casHigh, request.casLow);
  if (typeof result === 'bigint') {
    if (up) context.counters.incr_hits += 1;
    else context.counters.decr_hits += 1;
    if (!quiet) context.answers.counter(request, result, context.store.lastCas);
    return 'continue';
  }
  const expiry = request.extrasU32(16);
  if (result !== Status.keyNotFound || expiry === NO_CREATE) {
    if (result === Status.keyNotFound && up) context.counters.incr_misses += 1;
    else if (result === Status.keyNotFound) context.counters.decr_misses += 1;
    context.answers.error(request, result);
    return 'continue';
  }
  const initial = request.extrasU64(8);
  context.store.store('add', key, 0, expiry, Buffer.from(initial.toString(), 'latin1'), 0, 0);
  if (!quiet) context.answers.counter(request, initial, context.store.lastCas);
  return 'continue';
}

function flush(request: Request, context: CommandContext, quiet: boolean): Verdict {
  const { extrasLength, totalBody } = request;
  if (totalBody !== extrasLength || (extrasLength !== 0 && extrasLength !== 4))
    return refuse(request, context);
  context.counters.cmd_flush += 1;
  context.store.flush(extrasLength === 4 ? request.extrasU32(0) : 0);
  if (!quiet) context.answers.done(request, 0);
  return 'continue';
}

function stat(request: Request, context: CommandContext): Verdict {
  if (request.extrasLength !== 0) return refuse(request, context);
  const group = request.key();
  if (group === 'reset') {
    context.counters.reset();
    context.prefixes.clear();
    context.answers.stat(request);
    return 'continue';
  }
  const lines = context.statistics(group);
  if (lines === undefined) {
    context.answers.error(request, Status.keyNotFound);
    return 'continue';
  }
  for (const [name, value] of Object.entries(lines)) context.answers.stat(request, name, String(value));
  context.answers.stat(request);
  return 'continue';
}
