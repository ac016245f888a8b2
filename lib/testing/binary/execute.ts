import {
  type CommandContext,
  count,
  countGet,
  flush,
  get,
  refuseTooLarge,
  remove,
  statistics,
  store,
  touch,
} from '../commands';
import { MAX_KEY_BYTES, NO_CREATE, Opcode, Status } from '../protocol';
import type { Session, Verdict } from '../requests';
import type { Item, Outcome, StoreMode } from '../store';
import type { Request } from './parser';
import { isOpenToAll, sasl } from './sasl';

/**
 * Executes one request and adds its answer, if it has one, to `context.answers`. Lengths that do not suit the command
 * are answered with 0x04 and end the connection, as in memcached's `dispatch_bin_command`.
 */
export function execute(request: Request, context: CommandContext, session: Session): Verdict {
  if (!session.authenticated && !isOpenToAll(request.opcode)) {
    context.answers.error(request, Status.authError);
    return 'stop';
  }
  if (request.keyLength > MAX_KEY_BYTES) return refuse(request, context);
  switch (request.opcode) {
    case Opcode.get:
    case Opcode.getk:
      return fetch(request, context, request.opcode === Opcode.getk, false);
    case Opcode.getq:
    case Opcode.getkq:
      return fetch(request, context, request.opcode === Opcode.getkq, true);
    case Opcode.touch:
      return getAndTouch(request, context, false, false, false);
    case Opcode.gat:
    case Opcode.gatk:
      return getAndTouch(request, context, true, request.opcode === Opcode.gatk, false);
    case Opcode.gatq:
    case Opcode.gatkq:
      return getAndTouch(request, context, true, request.opcode === Opcode.gatkq, true);
    case Opcode.set:
    case Opcode.setq:
      return save(request, context, 'set', request.opcode === Opcode.setq);
    case Opcode.add:
    case Opcode.addq:
      return save(request, context, 'add', request.opcode === Opcode.addq);
    case Opcode.replace:
    case Opcode.replaceq:
      return save(request, context, 'replace', request.opcode === Opcode.replaceq);
    case Opcode.append:
    case Opcode.appendq:
      return extend(request, context, true, request.opcode === Opcode.appendq);
    case Opcode.prepend:
    case Opcode.prependq:
      return extend(request, context, false, request.opcode === Opcode.prependq);
    case Opcode.delete:
    case Opcode.deleteq:
      return erase(request, context, request.opcode === Opcode.deleteq);
    case Opcode.increment:
    case Opcode.incrementq:
      return compute(request, context, true, request.opcode === Opcode.incrementq);
    case Opcode.decrement:
    case Opcode.decrementq:
      return compute(request, context, false, request.opcode === Opcode.decrementq);
    case Opcode.flush:
    case Opcode.flushq:
      return clear(request, context, request.opcode === Opcode.flushq);
    case Opcode.noop:
      if (request.totalBody !== 0) return refuse(request, context);
      context.answers.done(request, 0n);
      return 'continue';
    case Opcode.version:
      if (request.totalBody !== 0) return refuse(request, context);
      context.answers.text(request, Buffer.from(context.version, 'latin1'));
      return 'continue';
    case Opcode.quit:
    case Opcode.quitq:
      if (request.totalBody !== 0) return refuse(request, context);
      if (request.opcode === Opcode.quit) context.answers.done(request, 0n);
      return 'stop';
    case Opcode.stat:
      return stat(request, context);
    case Opcode.saslListMechs:
    case Opcode.saslAuth:
    case Opcode.saslStep:
      return sasl(request, context, session) ?? refuse(request, context);
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

function fetch(request: Request, context: CommandContext, withKey: boolean, quiet: boolean): Verdict {
  if (request.extrasLength !== 0 || request.keyLength === 0 || request.totalBody !== request.keyLength) {
    return refuse(request, context);
  }
  answerItem(request, context, get(context, request.key()), withKey, true, quiet);
  return 'continue';
}

function getAndTouch(
  request: Request,
  context: CommandContext,
  withValue: boolean,
  withKey: boolean,
  quiet: boolean,
): Verdict {
  if (request.extrasLength !== 4 || request.keyLength === 0 || request.valueLength !== 0) {
    return refuse(request, context);
  }
  const key = request.key();
  const item = touch(context, key, request.extrasU32(0));
  if (withValue) countGet(context, key, item);
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
  if (item !== undefined) context.answers.item(request, item, withKey, withValue);
  else if (quiet) return;
  else if (withKey) context.answers.missWithKey(request);
  else context.answers.error(request, Status.keyNotFound);
}

function save(request: Request, context: CommandContext, mode: StoreMode, quiet: boolean): Verdict {
  if (request.extrasLength !== 8 || request.keyLength === 0) return refuse(request, context);
  const key = request.key();
  const flags = request.extrasU32(0);
  if (request.oversized || !context.store.fits(request.keyLength, flags, request.valueLength)) {
    refuseTooLarge(context, key, mode === 'set');
    context.answers.error(request, Status.tooLarge);
    return 'continue';
  }
  const { cas } = request;
  const outcome = store(context, {
    // A CAS makes it conditional, whatever the mode, as memcached does.
    mode: cas === 0n ? mode : 'cas',
    key,
    value: request.value(),
    flags,
    expiry: request.extrasU32(4),
    cas,
  });
  answerMutation(request, context, outcome, quiet);
  return 'continue';
}

function answerMutation(request: Request, context: CommandContext, outcome: Outcome, quiet: boolean): void {
  if (outcome !== Status.success) context.answers.error(request, outcome);
  else if (!quiet) context.answers.done(request, context.store.lastCas);
}

function extend(request: Request, context: CommandContext, atEnd: boolean, quiet: boolean): Verdict {
  if (request.extrasLength !== 0 || request.keyLength === 0) return refuse(request, context);
  const key = request.key();
  if (request.oversized || !context.store.fits(request.keyLength, 0, request.valueLength)) {
    refuseTooLarge(context, key, false);
    context.answers.error(request, Status.tooLarge);
    return 'continue';
  }
  const mode = atEnd ? 'append' : 'prepend';
  const write = { mode, key, flags: 0, expiry: 0, value: request.value(), cas: request.cas } as const;
  answerMutation(request, context, store(context, write), quiet);
  return 'continue';
}

function erase(request: Request, context: CommandContext, quiet: boolean): Verdict {
  if (request.extrasLength !== 0 || request.keyLength === 0 || request.totalBody !== request.keyLength) {
    return refuse(request, context);
  }
  const outcome = remove(context, request.key(), request.cas);
  if (outcome !== Status.success) context.answers.error(request, outcome);
  else if (!quiet) context.answers.done(request, 0n);
  return 'continue';
}

function compute(request: Request, context: CommandContext, up: boolean, quiet: boolean): Verdict {
  if (request.extrasLength !== 20 || request.keyLength === 0 || request.valueLength !== 0) {
    return refuse(request, context);
  }
  const expiry = request.extrasU32(16);
  const result = count(context, {
    key: request.key(),
    delta: request.extrasU64(0),
    up,
    cas: request.cas,
    orCreate: expiry === NO_CREATE ? undefined : { initial: request.extrasU64(8), expiry },
  });
  if (typeof result !== 'bigint') context.answers.error(request, result);
  else if (!quiet) context.answers.counter(request, result, context.store.lastCas);
  return 'continue';
}

function clear(request: Request, context: CommandContext, quiet: boolean): Verdict {
  const { extrasLength, totalBody } = request;
  if (totalBody !== extrasLength || (extrasLength !== 0 && extrasLength !== 4))
    return refuse(request, context);
  flush(context, extrasLength === 4 ? request.extrasU32(0) : 0);
  if (!quiet) context.answers.done(request, 0n);
  return 'continue';
}

function stat(request: Request, context: CommandContext): Verdict {
  if (request.extrasLength !== 0) return refuse(request, context);
  const lines = statistics(context, request.key());
  if (lines === undefined) {
    context.answers.error(request, Status.keyNotFound);
    return 'continue';
  }
  for (const [name, value] of Object.entries(lines)) context.answers.stat(request, name, String(value));
  context.answers.stat(request);
  return 'continue';
}
