import { Opcode } from '../protocol';
import {
  readConfig,
  readCounting,
  readDelete,
  readFlush,
  readGet,
  readGetAndTouch,
  readStats,
  readStore,
  readTouch,
  readVerbosity,
} from './classic';
import { readDebug, readMetaArithmetic, readMetaDelete, readMetaGet, readMetaSet } from './meta';
import { NO_COMMAND, type Plan, saying } from './plan';
import { wordsOf } from './words';

/** How a command of the text protocols is read. Another number of words, its name included, is an ERROR. */
interface Command {
  readonly opcode: number;
  readonly least: number;
  readonly most: number;
  read(words: readonly string[], maxItemBytes: number): Plan;
}

const ANY = Number.POSITIVE_INFINITY;

const COMMANDS: ReadonlyMap<string, Command> = new Map(
  Object.entries<Command>({
    get: { opcode: Opcode.get, least: 2, most: ANY, read: (words) => readGet(words, false) },
    bget: { opcode: Opcode.get, least: 2, most: ANY, read: (words) => readGet(words, false) },
    gets: { opcode: Opcode.get, least: 2, most: ANY, read: (words) => readGet(words, true) },
    gat: { opcode: Opcode.gat, least: 2, most: ANY, read: (words) => readGetAndTouch(words, false) },
    gats: { opcode: Opcode.gat, least: 2, most: ANY, read: (words) => readGetAndTouch(words, true) },
    set: { opcode: Opcode.set, least: 5, most: 6, read: readStore('set', Opcode.set) },
    add: { opcode: Opcode.add, least: 5, most: 6, read: readStore('add', Opcode.add) },
    replace: { opcode: Opcode.replace, least: 5, most: 6, read: readStore('replace', Opcode.replace) },
    append: { opcode: Opcode.append, least: 5, most: 6, read: readStore('append', Opcode.append) },
    prepend: { opcode: Opcode.prepend, least: 5, most: 6, read: readStore('prepend', Opcode.prepend) },
    cas: { opcode: Opcode.set, least: 6, most: 7, read: readStore('cas', Opcode.set) },
    incr: { opcode: Opcode.increment, least: 3, most: 4, read: (words) => readCounting(words, true) },
    decr: { opcode: Opcode.decrement, least: 3, most: 4, read: (words) => readCounting(words, false) },
    touch: { opcode: Opcode.touch, least: 3, most: 4, read: readTouch },
    delete: { opcode: Opcode.delete, least: 2, most: 4, read: readDelete },
    flush_all: { opcode: Opcode.flush, least: 1, most: 3, read: readFlush },
    verbosity: { opcode: Opcode.verbosity, least: 2, most: 3, read: readVerbosity },
    stats: { opcode: Opcode.stat, least: 1, most: ANY, read: readStats },
    config: { opcode: Opcode.get, least: 3, most: 3, read: readConfig },
    version: {
      opcode: Opcode.version,
      least: 1,
      most: ANY,
      read: () => ({
        opcode: Opcode.version,
        keys: [],
        run: ({ answers, version }) => answers.line(`VERSION ${version}`),
      }),
    },
    quit: {
      opcode: Opcode.quit,
      least: 1,
      most: ANY,
      read: () => ({ opcode: Opcode.quit, keys: [], ends: true, run: () => undefined }),
    },
    shutdown: {
      opcode: NO_COMMAND,
      least: 1,
      most: ANY,
      read: () => saying('ERROR: shutdown not enabled', NO_COMMAND),
    },
    mg: { opcode: Opcode.get, least: 2, most: ANY, read: readMetaGet },
    ms: { opcode: Opcode.set, least: 2, most: ANY, read: readMetaSet },
    md: { opcode: Opcode.delete, least: 2, most: ANY, read: readMetaDelete },
    ma: { opcode: Opcode.increment, least: 2, most: ANY, read: readMetaArithmetic },
    me: { opcode: Opcode.get, least: 1, most: ANY, read: readDebug },
    mn: { opcode: Opcode.noop, least: 1, most: ANY, read: () => saying('MN', Opcode.noop) },
  }),
);

/** Most words that memcached looks at. */
const MOST_WORDS = 23;

const META: ReadonlySet<string> = new Set(['mg', 'ms', 'md', 'ma', 'me', 'mn']);

export function readCommand(line: string, maxItemBytes: number, speaksMeta: boolean): Plan {
  const words = wordsOf(line);
  const [name = ''] = words;
  const command = speaksMeta || !META.has(name) ? COMMANDS.get(name) : undefined;
  if (command === undefined) {
    const isHttp = words[Math.min(words.length, MOST_WORDS) - 1]?.startsWith('HTTP/') && name.length >= 2;
    // A browser has no use for answers. (memcached looks for it behind its own commands.)
    if (isHttp && !/^(?:[acdgist]|m.$)/.test(name))
      return { opcode: NO_COMMAND, keys: [], ends: true, run: () => undefined };
    return saying('ERROR', NO_COMMAND);
  }
  if (words.length < command.least || words.length > command.most) return saying('ERROR', command.opcode);
  return command.read(words, maxItemBytes);
}
