import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { startServer } from '../../lib/testing/index.ts';
import { long } from '../effort.mts';
import { startMemcached } from './memcached.mts';
import { TextClient } from './text-client.mts';
import { SCRIPTS } from './text-scripts.mts';
import { skipWithout } from './tool.mts';

/**
 * What the two servers cannot have in common: the version, CAS values (each becomes a name, in order of appearance),
 * and times that a second's turn may change.
 */
function masked(text: string, names: Map<string, string>): string {
  const cas = (value: string): string => {
    if (value === '0') return value;
    const name = names.get(value) ?? `cas-${names.size}`;
    names.set(value, name);
    return name;
  };
  return text
    .replace(/^VERSION .*/gm, 'VERSION')
    .replace(/^(VALUE \S+ \d+ \d+) (\d+)/gm, (_, line: string, value: string) => `${line} ${cas(value)}`)
    .replace(/^ME (\S+) .* (fetch=\S+) .* (size=\d+)/gm, 'ME $1 $2 $3')
    .replace(/^(?:HD|EX|NF|NS|EN|VA) .*/gm, (line) =>
      line.replace(/ c(\d+)/g, (_, value: string) => ` c${cas(value)}`).replace(/ ([tl])\d+/g, ' $1#'),
    );
}

/** Both servers with a text connection each; CAS values in commands are written `%key%`. */
class Pair {
  readonly #clients: readonly TextClient[];
  readonly #names = [new Map<string, string>(), new Map<string, string>()];

  private constructor(clients: readonly TextClient[]) {
    this.#clients = clients;
  }

  static async connect(servers: readonly { readonly port: number }[]): Promise<Pair> {
    return new Pair(await Promise.all(servers.map((server) => TextClient.connect(server))));
  }

  /** The answers of the real server, and those of the test server. */
  ask(commands: string): Promise<string[]> {
    return this.#each(commands, (client, text) => client.ask(text));
  }

  finish(commands: string): Promise<string[]> {
    return this.#each(commands, (client, text) => client.finish(text));
  }

  #each(commands: string, say: (client: TextClient, text: string) => Promise<string>): Promise<string[]> {
    return Promise.all(
      this.#clients.map(async (client, index) => {
        let text = commands;
        for (const [place = '', key = ''] of commands.matchAll(/%([a-z]+)([-+]1)?%/g)) {
          const known = / c(\d+)/.exec(await client.ask(`mg ${key} c u\r\n`))?.[1] ?? '999999';
          const offset = place.endsWith('+1%') ? 1n : place.endsWith('-1%') ? -1n : 0n;
          text = text.replace(place, String(BigInt(known) + offset));
        }
        return masked(await say(client, text), this.#names[index] ?? new Map());
      }),
    );
  }
}

test('a table of commands gets the same answers from the test server and from memcached', {
  skip: skipWithout('memcached', 'memcached'),
}, async (t) => {
  await using real = await startMemcached();
  await using server = await startServer();
  for (const [name, ...steps] of SCRIPTS)
    await t.test(name, async () => {
      const pair = await Pair.connect([real, server]);
      await pair.ask('flush_all\r\n');
      const last = steps.pop() ?? '';
      for (const step of steps) {
        const [theirs, ours] = await pair.ask(step);
        assert.equal(ours, theirs, JSON.stringify(step));
      }
      const [theirs, ours] = await pair.finish(last);
      assert.equal(ours, theirs, JSON.stringify(last));
    });
});

const key = fc.constantFrom('a', 'b', 'c');
const value = fc.constantFrom('', '5', '7 ', '99', '18446744073709551615', 'text', '-1', 'x'.repeat(300));
const flags = fc.constantFrom('0', '7', '4294967295');
const expiry = fc.constantFrom('0', '0', '0', '1000', '-1', '99999999999');
const noreply = fc.constantFrom('', '', '', ' noreply');
const cas = fc.oneof(
  key.map((name) => `%${name}%`),
  fc.constant('0'),
);
const storing = fc
  .tuple(
    fc.constantFrom('set', 'set', 'add', 'replace', 'append', 'prepend'),
    key,
    flags,
    expiry,
    value,
    noreply,
  )
  .map(([command, k, f, e, v, n]) => `${command} ${k} ${f} ${e} ${v.length}${n}\r\n${v}\r\n`);
const comparing = fc.tuple(key, cas, value).map(([k, c, v]) => `cas ${k} 1 0 ${v.length} ${c}\r\n${v}\r\n`);
const classic = fc.oneof(
  fc
    .tuple(fc.constantFrom('get', 'gets'), fc.array(key, { minLength: 1, maxLength: 4 }))
    .map(([command, keys]) => `${command} ${keys.join(' ')}\r\n`),
  fc.tuple(fc.constantFrom('gat', 'gats'), expiry, key).map((words) => `${words.join(' ')}\r\n`),
  fc
    .tuple(
      fc.constantFrom('incr', 'decr'),
      key,
      fc.constantFrom('1', '10', '18446744073709551615', 'x'),
      noreply,
    )
    .map(([command, k, delta, n]) => `${command} ${k} ${delta}${n}\r\n`),
  fc.tuple(key, expiry, noreply).map(([k, e, n]) => `touch ${k} ${e}${n}\r\n`),
  fc.tuple(key, noreply).map(([k, n]) => `delete ${k}${n}\r\n`),
  fc.constantFrom('flush_all\r\n', 'version\r\n', 'nonsense\r\n', '\r\n', 'verbosity 1\r\n'),
);

/** Flags of a meta command in any order, each at most once. */
function flagsOf(...groups: fc.Arbitrary<string>[]): fc.Arbitrary<string> {
  const chosen = groups.map((group) => fc.option(group, { nil: '', freq: 2 }));
  return fc
    .tuple(...chosen)
    .chain((tokens) => fc.shuffledSubarray(tokens, { minLength: tokens.length }))
    .map((tokens) =>
      tokens
        .filter((token) => token !== '')
        .map((token) => ` ${token}`)
        .join(''),
    );
}

const one = (text: string): fc.Arbitrary<string> => fc.constant(text);
const invalidates = cas.map((token) => `C${token.replace(/(?<=.)%$/, '-1%')} I`);
const meta = fc.oneof(
  fc
    .tuple(
      key,
      flagsOf(
        one('v'),
        one('c'),
        one('f'),
        one('h'),
        one('k'),
        one('s'),
        one('t'),
        one('q'),
        one('u'),
        one('O77'),
        fc.constantFrom('N0', 'N30', 'N-1'),
        fc.constantFrom('R0', 'R30', 'R2000'),
        fc.constantFrom('T0', 'T1000', 'T-1'),
      ),
    )
    .map(([k, f]) => `mg ${k}${f}\r\n`),
  fc
    .tuple(
      key,
      value,
      flagsOf(
        one('c'),
        one('k'),
        one('q'),
        one('Oab'),
        flags.map((f) => `F${f}`),
        expiry.map((e) => `T${e}`),
        fc.oneof(
          cas.map((c) => `C${c}`),
          invalidates,
        ),
        fc.constantFrom('ME', 'MA', 'MP', 'MR', 'MS', 'MX'),
      ),
    )
    .map(([k, v, f]) => `ms ${k} ${v.length}${f}\r\n${v}\r\n`),
  fc
    .tuple(
      key,
      flagsOf(
        one('q'),
        one('k'),
        one('O1'),
        one('I'),
        one('T60'),
        cas.map((c) => `C${c}`),
      ),
    )
    .map(([k, f]) => `md ${k}${f}\r\n`),
  fc
    .tuple(
      key,
      flagsOf(
        one('q'),
        one('k'),
        one('O1'),
        one('c'),
        one('v'),
        one('t'),
        one('N0'),
        one('N90'),
        one('J13'),
        fc.constantFrom('D2', 'D18446744073709551615'),
        fc.constantFrom('MI', 'M+', 'MD', 'M-', 'MZ'),
        fc.constantFrom('T0', 'T30'),
        cas.map((c) => `C${c}`),
      ),
    )
    .map(([k, f]) => `ma ${k}${f}\r\n`),
  key.map((k) => `me ${k}\r\n`),
);

test('random commands of both text protocols get the same answers from the test server and from memcached', {
  skip: skipWithout('memcached', 'memcached'),
}, async () => {
  await using real = await startMemcached();
  await using server = await startServer();
  const command = fc.oneof(storing, comparing, classic, meta);
  const read = 'gets a b c\r\nme a\r\nme b\r\nme c\r\n';
  await fc.assert(
    fc.asyncProperty(fc.array(command, { maxLength: 40 }), async (commands) => {
      const pair = await Pair.connect([real, server]);
      await pair.ask('flush_all\r\n');
      for (const asked of commands) {
        // A read that has not been answered holds the item; memcached then replaces a counter instead of rewriting it.
        const [theirs, ours] = await pair.ask(asked + read);
        assert.equal(ours, theirs, JSON.stringify(asked));
      }
      await pair.finish('');
    }),
    { seed: Number(process.env.EVENKEEL_SEED ?? 20_260_101), numRuns: long ? 2000 : 60 },
  );
});
