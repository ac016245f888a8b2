import { count, countGet, countRemove, countTouch, refuseTooLarge, store } from '../commands';
import { MAX_KEY_BYTES, Opcode, Status } from '../protocol';
import { type Item, itemBytes, type Store, type StoreMode } from '../store';
import { storeOutcome } from './classic';
import { fromBase64, isOpaqueTooLong, type MetaFlags, readFlags, toBase64 } from './meta-flags';
import { int32 } from './numbers';
import { BAD_CHUNK, BAD_FORMAT, MAX_BLOCK_BYTES, type Plan, saying, TOO_LARGE } from './plan';

/** The commands of the meta protocol: what their words say, and how they answer. */

const MOST_WORDS = 19;
const LONG_OPAQUE = 'CLIENT_ERROR opaque token too long';
const BAD_FLAG = 'CLIENT_ERROR invalid or duplicate flag';
const NO_BYTES = Buffer.alloc(0);

export function readMetaGet(words: readonly string[]): Plan {
  const [, word = '', ...tokens] = words;
  if (word.length > MAX_KEY_BYTES) return saying(BAD_FORMAT, Opcode.get);
  if (words.length > MOST_WORDS) return saying('CLIENT_ERROR options flags are too long', Opcode.get);
  const flags = readFlags(word, tokens);
  if (typeof flags === 'string') return saying(flags, Opcode.get);
  if (isOpaqueTooLong(flags)) return saying(LONG_OPAQUE, Opcode.get);
  const { key, quiet, newCas, vivify } = flags;
  const touches = flags.expiry !== undefined;
  const opcode = touches ? (flags.value ? Opcode.gat : Opcode.touch) : Opcode.get;
  const meta = metaOf(flags, 'EN');
  return {
    opcode,
    keys: [key],
    meta,
    run: (context) => {
      const { answers } = context;
      const found = context.store.find(key);
      if (found === undefined && vivify !== undefined)
        context.store.store({ mode: 'add', key, value: NO_BYTES, flags: 0, expiry: 0, cas: 0n, newCas });
      const item = found ?? context.store.find(key);
      if (touches) countTouch(context, item);
      else countGet(context, key, item);
      if (item === undefined) {
        if (!quiet) answers.line(`EN${meta.echo}`);
        return;
      }
      const withValue = flags.value && flags.cas !== item.cas;
      const { value } = item;
      answers.line(
        `${withValue ? `VA ${value.length}` : 'HD'}${fetched(context.store, item, flags, found === undefined)}`,
      );
      if (withValue) answers.block(value);
      if (!flags.unmarked) context.store.fetched(item);
    },
  };
}

/** Does to an item what the flags of a `mg` say, one after the other, and tells what they ask for. */
function fetched(store: Store, item: Item, flags: MetaFlags, isNew: boolean): string {
  let told = '';
  let wins = false;
  for (const token of flags.tokens) {
    switch (token[0]) {
      case 'T':
        item.expiresAt = store.deadline(flags.expiry ?? 0);
        break;
      case 'N':
        if (!isNew) break;
        item.expiresAt = store.deadline(flags.vivify ?? 0);
        wins = true;
        break;
      case 'R': {
        const left = store.secondsLeft(item.expiresAt);
        const least = store.secondsLeft(store.deadline(flags.recache ?? 0));
        if (!isNew && !item.claimed && left !== undefined && least !== undefined && left < least) wins = true;
        break;
      }
      case 'h':
        told += ` h${item.fetched ? 1 : 0}`;
        break;
      case 'l':
        told += ` l${store.secondsSince(item.accessedAt)}`;
        break;
      case 'f':
        told += ` f${item.flags}`;
        break;
      case 's':
        told += ` s${item.value.length}`;
        break;
      case 'k':
        told += keyToken(item.key, item.binaryKey);
        break;
      default:
        told += common(store, item, token);
    }
  }
  if (item.claimed) told += ' Z';
  if (item.stale) {
    told += ' X';
    wins ||= !item.claimed;
  }
  if (wins) {
    told += ' W';
    item.claimed = true;
  }
  return told;
}

/** What `mg` and `ma` tell alike. */
function common(store: Store, item: Item, token: string): string {
  switch (token[0]) {
    case 't': {
      const left = store.secondsLeft(item.expiresAt);
      // Of an item that is over, memcached tells the difference as an unsigned number.
      return ` t${left === undefined ? -1 : left >>> 0}`;
    }
    case 'c':
      return ` c${item.cas}`;
    case 'O':
      return ` ${token}`;
    default:
      return '';
  }
}

const MODES: Readonly<Record<string, { mode: StoreMode; opcode: number }>> = {
  '': { mode: 'set', opcode: Opcode.set },
  S: { mode: 'set', opcode: Opcode.set },
  E: { mode: 'add', opcode: Opcode.add },
  R: { mode: 'replace', opcode: Opcode.replace },
  A: { mode: 'append', opcode: Opcode.append },
  P: { mode: 'prepend', opcode: Opcode.prepend },
};

const STORED = { stored: 'HD', exists: 'EX', missing: 'NF', refused: 'NS' } as const;

export function readMetaSet(words: readonly string[], maxItemBytes: number): Plan {
  const [, word = '', lengthWord = '', ...tokens] = words;
  const length = int32(lengthWord);
  if (word.length > MAX_KEY_BYTES || words.length === 2) return saying(BAD_FORMAT, Opcode.set);
  if (words.length > MOST_WORDS) return saying('CLIENT_ERROR options flags too long', Opcode.set);
  if (length === undefined || length < 0 || length > MAX_BLOCK_BYTES) return saying(BAD_FORMAT, Opcode.set);
  const skip = length + 2;
  const flags = readFlags(word, tokens);
  if (typeof flags === 'string') return { ...saying(flags, Opcode.set), skip };
  const { key, clientFlags, newCas, binaryKey, expiry = 0, cas = 0n } = flags;
  const chosen = MODES[flags.mode];
  if (chosen === undefined)
    return { ...saying('CLIENT_ERROR invalid mode for ms M token', Opcode.set), skip };
  const { opcode } = chosen;
  const base = { opcode, keys: [key], cas, meta: metaOf(flags, 'NF') };
  if (isOpaqueTooLong(flags)) return { ...base, ...saying(LONG_OPAQUE, opcode), skip };
  if (itemBytes(key.length, clientFlags, length) > maxItemBytes)
    return {
      ...base,
      skip,
      run: (context) => {
        refuseTooLarge(context, key, true);
        context.answers.line(TOO_LARGE);
      },
    };
  const wantsCas = flags.cas !== undefined && (chosen.mode === 'set' || chosen.mode === 'replace');
  const mode = wantsCas ? 'cas' : chosen.mode;
  const write = { mode, key, flags: clientFlags, expiry, cas, newCas, binaryKey, orCreate: flags.vivify };
  return {
    ...base,
    block: length,
    run: (context, { block, isWhole }) => {
      const { answers } = context;
      if (!isWhole) return answers.line(BAD_CHUNK);
      const outcome = store(context, { ...write, value: block, mayBeStale: flags.invalidate });
      const isStored = outcome === Status.success;
      if (isStored && flags.quiet) return;
      let told = '';
      for (const token of tokens) {
        if (token[0] === 'O') told += ` ${token}`;
        else if (token[0] === 'k') told += keyToken(key, binaryKey);
        else if (token[0] === 'c') told += ` c${isStored ? context.store.lastCas : 0}`;
        else if (token[0] === 's')
          told += ` s${(isStored ? context.store.find(key)?.value.length : undefined) ?? length}`;
      }
      answers.line(`${STORED[storeOutcome(mode, outcome)]}${told}`);
    },
  };
}

export function readMetaDelete(words: readonly string[]): Plan {
  const [, word = '', ...tokens] = words;
  if (word.length > MAX_KEY_BYTES) return saying(BAD_FORMAT, Opcode.delete);
  if (words.length > MOST_WORDS) return saying('CLIENT_ERROR options flags too long', Opcode.delete);
  const flags = readFlags(word, tokens);
  if (typeof flags === 'string') return saying(BAD_FLAG, Opcode.delete);
  if (isOpaqueTooLong(flags)) return saying(LONG_OPAQUE, Opcode.delete);
  const { key, newCas, expiry } = flags;
  const meta = metaOf(flags, 'NF');
  return {
    opcode: Opcode.delete,
    keys: [key],
    cas: flags.cas ?? 0n,
    meta,
    run: (context) => {
      const { store, answers } = context;
      const item = store.find(key);
      if (item === undefined || (flags.cas !== undefined && flags.cas !== item.cas)) {
        countRemove(context, Status.keyNotFound);
        answers.line(`${item === undefined ? 'NF' : 'EX'}${meta.echo}`);
        return;
      }
      if (flags.emptied)
        store.store({
          mode: 'set',
          key,
          value: NO_BYTES,
          flags: flags.clientFlags,
          expiry: expiry ?? 0,
          cas: 0n,
          newCas: newCas ?? item.cas,
          binaryKey: item.binaryKey,
        });
      if (flags.invalidate) {
        if (expiry !== undefined) item.expiresAt = store.deadline(expiry);
        store.invalidate(item, newCas);
      } else {
        countRemove(context, Status.success);
        if (!flags.emptied) store.remove(key);
      }
      if (!flags.quiet) answers.line(`HD${meta.echo}`);
    },
  };
}

const DIRECTIONS: Readonly<Record<string, boolean>> = { '': true, I: true, '+': true, D: false, '-': false };

export function readMetaArithmetic(words: readonly string[]): Plan {
  const [, word = '', ...tokens] = words;
  if (word.length > MAX_KEY_BYTES) return saying(BAD_FORMAT, Opcode.increment);
  if (words.length > MOST_WORDS) return saying('CLIENT_ERROR options flags too long', Opcode.increment);
  const flags = readFlags(word, tokens);
  if (typeof flags === 'string') return saying(BAD_FLAG, Opcode.increment);
  const up = DIRECTIONS[flags.mode];
  if (up === undefined) return saying('CLIENT_ERROR invalid mode for ma M token', Opcode.increment);
  if (isOpaqueTooLong(flags)) return saying(LONG_OPAQUE, Opcode.increment);
  const { key, delta, initial, newCas, binaryKey, vivify, cas = 0n } = flags;
  const meta = metaOf(flags, 'NF');
  return {
    opcode: up ? Opcode.increment : Opcode.decrement,
    keys: [key],
    cas,
    meta,
    run: (context) => {
      const { answers } = context;
      const isNew = context.store.find(key) === undefined;
      const orCreate = vivify === undefined ? undefined : { initial, expiry: 0 };
      const result = count(context, { key, delta, up, cas, newCas, orCreate });
      const item = context.store.find(key);
      if (typeof result !== 'bigint' || item === undefined) {
        if (result === Status.nonNumeric)
          answers.line('CLIENT_ERROR cannot increment or decrement non-numeric value');
        else answers.line(`${result === Status.keyExists ? 'EX' : 'NF'}${meta.echo}`);
        return;
      }
      let told = '';
      for (const token of tokens) {
        if (token[0] === 'T') item.expiresAt = context.store.deadline(flags.expiry ?? 0);
        else if (token[0] === 'N' && isNew) item.expiresAt = context.store.deadline(vivify ?? 0);
        else if (token[0] === 'k') told += keyToken(key, binaryKey);
        else told += common(context.store, item, token);
      }
      // memcached is quiet about a counter that was there only.
      if (flags.quiet && !isNew) return;
      const digits = result.toString();
      answers.line(`${flags.value ? `VA ${digits.length}` : 'HD'}${told}`);
      if (flags.value) answers.line(digits);
    },
  };
}

/** There are no slabs of sizes here: all items are in class 1. */
export function readDebug(words: readonly string[]): Plan {
  const [, word = '', flag] = words;
  const isBinary = flag === 'b';
  const key = isBinary ? fromBase64(word) : word;
  if (words.length < 2 || word.length > MAX_KEY_BYTES || key === undefined)
    return saying(BAD_FORMAT, Opcode.get);
  return {
    opcode: Opcode.get,
    keys: [key],
    run: ({ store, answers }) => {
      const item = store.find(key);
      if (item === undefined) return answers.line('EN');
      const shown = item.binaryKey ? toBase64(key) : key;
      const left = store.secondsLeft(item.expiresAt) ?? -1;
      const size = itemBytes(key.length, item.flags, item.value.length);
      answers.line(
        `ME ${shown} exp=${left} la=${store.secondsSince(item.accessedAt)} cas=${item.cas} ` +
          `fetch=${item.fetched ? 'yes' : 'no'} cls=1 size=${size}`,
      );
    },
  };
}

function keyToken(key: string, isBinary: boolean): string {
  return isBinary ? ` k${toBase64(key)} b` : ` k${key}`;
}

/** Opaque and key, which an answer without an item repeats where the request has them. */
function metaOf(flags: MetaFlags, miss: string): NonNullable<Plan['meta']> {
  let echo = '';
  for (const token of flags.tokens) {
    if (token[0] === 'O') echo += ` ${token}`;
    else if (token[0] === 'k') echo += keyToken(flags.key, flags.binaryKey);
  }
  return { opaque: flags.opaque, echo, miss };
}
