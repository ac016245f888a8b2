import {
  type CommandContext,
  count,
  flush,
  get,
  refuseTooLarge,
  remove,
  statistics,
  store,
  touch,
} from '../commands';
import { MAX_KEY_BYTES, Opcode, Status } from '../protocol';
import { type Item, itemBytes, type Outcome, type StoreMode } from '../store';
import { expiry as expiryOf, int32, uint32, uint64 } from './numbers';
import { BAD_CHUNK, BAD_FORMAT, MAX_BLOCK_BYTES, NO_COMMAND, type Plan, saying, TOO_LARGE } from './plan';

/** The commands of the classic text protocol: what their words say, and how they answer. */

const NON_NUMERIC = 'CLIENT_ERROR cannot increment or decrement non-numeric value';
const BAD_EXPIRY = 'CLIENT_ERROR invalid exptime argument';

export function readGet(words: readonly string[], withCas: boolean): Plan {
  const keys = words.slice(1);
  return {
    opcode: Opcode.get,
    keys,
    run: (context) => answerItems(context, keys, withCas, (key) => get(context, key)),
  };
}

/** As managed fleets have it; the value is the item that servers before the command told it by. */
export function readConfig([, verb, name]: readonly string[]): Plan {
  if (verb !== 'get' || name !== 'cluster') return saying('ERROR', NO_COMMAND);
  const key = 'AmazonElastiCache:cluster';
  return {
    opcode: Opcode.get,
    keys: [key],
    run: (context) => {
      const { answers } = context;
      const item = get(context, key);
      if (item !== undefined) {
        answers.line(`CONFIG cluster ${item.flags} ${item.value.length}`);
        answers.block(item.value);
      }
      answers.line('END');
    },
  };
}

export function readGetAndTouch([, seconds = '', ...keys]: readonly string[], withCas: boolean): Plan {
  const expiry = expiryOf(seconds);
  if (expiry === undefined) return saying(BAD_EXPIRY, Opcode.gat);
  return {
    opcode: Opcode.gat,
    keys,
    run: (context) => answerItems(context, keys, withCas, (key) => touch(context, key, expiry)),
  };
}

function answerItems(
  { answers }: CommandContext,
  keys: readonly string[],
  withCas: boolean,
  find: (key: string) => Item | undefined,
): void {
  const items: Item[] = [];
  for (const key of keys) {
    if (key.length > MAX_KEY_BYTES) {
      answers.line(BAD_FORMAT);
      return;
    }
    const item = find(key);
    if (item !== undefined) items.push(item);
  }
  for (const { key, flags, value, cas } of items) {
    answers.line(`VALUE ${key} ${flags} ${value.length}${withCas ? ` ${cas}` : ''}`);
    answers.block(value);
  }
  answers.line('END');
}

export function readStore(
  mode: StoreMode,
  opcode: number,
): (words: readonly string[], maxItemBytes: number) => Plan {
  return (words, maxItemBytes) => {
    const [, key = '', flagsWord = '', expiryWord = '', lengthWord = '', casWord = ''] = words;
    const quiet = isQuiet(words);
    const flags = uint32(flagsWord);
    const expiry = expiryOf(expiryWord);
    const length = int32(lengthWord);
    const cas = mode === 'cas' ? uint64(casWord) : 0n;
    if (flags === undefined || expiry === undefined || length === undefined || cas === undefined)
      return saying(BAD_FORMAT, opcode, quiet);
    if (key.length > MAX_KEY_BYTES || length < 0 || length > MAX_BLOCK_BYTES)
      return saying(BAD_FORMAT, opcode, quiet);
    if (itemBytes(key.length, flags, length) > maxItemBytes)
      return {
        opcode,
        keys: [key],
        cas,
        skip: length + 2,
        run: (context) => {
          refuseTooLarge(context, key, mode === 'set');
          if (!quiet) context.answers.line(TOO_LARGE);
        },
      };
    return {
      opcode,
      keys: [key],
      cas,
      block: length,
      run: (context, { block, isWhole }) => {
        const answer = isWhole
          ? STORED[storeOutcome(mode, store(context, { mode, key, flags, expiry, cas, value: block }))]
          : BAD_CHUNK;
        if (!quiet) context.answers.line(answer);
      },
    };
  };
}

const STORED = {
  stored: 'STORED',
  exists: 'EXISTS',
  missing: 'NOT_FOUND',
  refused: 'NOT_STORED',
} as const;

/** What the text protocols tell apart of how a value was stored. */
export function storeOutcome(mode: StoreMode, outcome: Outcome): keyof typeof STORED {
  if (outcome === Status.success) return 'stored';
  if (mode === 'add' || mode === 'replace') return 'refused';
  if (outcome === Status.keyExists) return 'exists';
  return outcome === Status.keyNotFound ? 'missing' : 'refused';
}

export function readCounting(words: readonly string[], up: boolean): Plan {
  const [, key = '', deltaWord = ''] = words;
  const opcode = up ? Opcode.increment : Opcode.decrement;
  const quiet = isQuiet(words);
  if (key.length > MAX_KEY_BYTES) return saying(BAD_FORMAT, opcode, quiet);
  const delta = uint64(deltaWord);
  if (delta === undefined) return saying('CLIENT_ERROR invalid numeric delta argument', opcode, quiet);
  return {
    opcode,
    keys: [key],
    run: (context) => {
      const result = count(context, { key, delta, up, cas: 0n });
      if (quiet) return;
      if (typeof result === 'bigint') context.answers.line(result.toString());
      else context.answers.line(result === Status.keyNotFound ? 'NOT_FOUND' : NON_NUMERIC);
    },
  };
}

export function readTouch(words: readonly string[]): Plan {
  const [, key = '', seconds = ''] = words;
  const quiet = isQuiet(words);
  if (key.length > MAX_KEY_BYTES) return saying(BAD_FORMAT, Opcode.touch, quiet);
  const expiry = expiryOf(seconds);
  if (expiry === undefined) return saying(BAD_EXPIRY, Opcode.touch, quiet);
  return {
    opcode: Opcode.touch,
    keys: [key],
    run: (context) => {
      const item = touch(context, key, expiry);
      if (!quiet) context.answers.line(item === undefined ? 'NOT_FOUND' : 'TOUCHED');
    },
  };
}

/** The time that old clients send behind the key may only be 0. */
export function readDelete(words: readonly string[]): Plan {
  const [, key = '', time] = words;
  const quiet = words.length > 2 && isQuiet(words);
  const most = 2 + (time === '0' ? 1 : 0) + (quiet ? 1 : 0);
  if (words.length > most)
    return saying(`${BAD_FORMAT}.  Usage: delete <key> [noreply]`, Opcode.delete, quiet);
  if (key.length > MAX_KEY_BYTES) return saying(BAD_FORMAT, Opcode.delete, quiet);
  return {
    opcode: Opcode.delete,
    keys: [key],
    run: (context) => {
      const outcome = remove(context, key);
      if (!quiet) context.answers.line(outcome === Status.success ? 'DELETED' : 'NOT_FOUND');
    },
  };
}

export function readFlush(words: readonly string[]): Plan {
  const quiet = isQuiet(words);
  const delay = words.length === (quiet ? 2 : 1) ? 0 : int32(words[1] ?? '');
  if (delay === undefined) return saying(BAD_EXPIRY, Opcode.flush, quiet);
  return {
    opcode: Opcode.flush,
    keys: [],
    run: (context) => {
      flush(context, Math.max(0, delay));
      if (!quiet) context.answers.line('OK');
    },
  };
}

/** There is nothing here to be more or less talkative. */
export function readVerbosity(words: readonly string[]): Plan {
  const isLevel = uint32(words[1] ?? '') !== undefined;
  return saying(isLevel ? 'OK' : BAD_FORMAT, Opcode.verbosity, isQuiet(words));
}

export function readStats([, ...words]: readonly string[]): Plan {
  const [group = '', detail] = words;
  return {
    opcode: Opcode.stat,
    keys: [words.join(' ')],
    run: (context) => {
      const { answers } = context;
      const lines = statistics(context, group === 'detail' ? `detail ${detail}` : group);
      if (group === 'detail') {
        if (lines === undefined) answers.line('CLIENT_ERROR usage: stats detail on|off|dump');
        else answers.line(String(lines.detailed ?? 'OK\r\n').slice(0, -2));
      } else if (group === 'reset') {
        answers.line('RESET');
      } else if (lines === undefined) {
        answers.line('ERROR');
      } else {
        for (const [name, value] of Object.entries(lines)) answers.line(`STAT ${name} ${value}`);
        answers.line('END');
      }
    },
  };
}

function isQuiet(words: readonly string[]): boolean {
  return words.at(-1) === 'noreply';
}
