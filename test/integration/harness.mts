import assert from 'node:assert/strict';
import { after, afterEach, before, describe } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { type ConnectOptions, connect } from '../../lib/connect.ts';
import type { Database } from '../../lib/database.ts';
import { EventBase } from '../../lib/event-base/event-base.ts';
import { loadAddon } from '../../lib/native/load.ts';
import { type ServerOptions, startServer, type TestServer } from '../../lib/testing/index.ts';
import { startMemcached } from '../conformance/memcached.mts';
import { RawClient } from '../conformance/raw-client.mts';
import { skipWithout } from '../conformance/tool.mts';

type Model = 'host' | 'thread';
const MODELS: readonly Model[] = ['host', 'thread'];

/** So that no deadline passes which the test has not set, and a silent server is noticed as by default. */
const PATIENT = { timeout: 30_000, connectTimeout: 30_000 };
const SILENCE = 2500;

type Protocol = 'binary' | 'meta' | 'auto';
export const BOTH_PROTOCOLS: readonly Protocol[] = ['binary', 'meta'];
export const ALL_PROTOCOLS: readonly Protocol[] = [...BOTH_PROTOCOLS, 'auto'];

/** A base of one of the two models, from which servers are spoken to in one way, for the tests of one describe(). */
export class Bases {
  readonly model: Model;
  readonly protocol: Protocol;
  #thread: EventBase | undefined;
  #keys = 0;

  constructor(model: Model, protocol: Protocol = 'binary') {
    this.model = model;
    this.protocol = protocol;
  }

  get base(): EventBase {
    if (this.model === 'host') return EventBase.host;
    if (this.#thread === undefined || this.#thread.closed) this.#thread = EventBase.create();
    return this.#thread;
  }

  connect(url: string, options: ConnectOptions = {}): Promise<Database> {
    return connect(url, {
      eventBase: this.base,
      protocol: this.protocol,
      silenceTimeout: options.timeout ?? SILENCE,
      ...PATIENT,
      ...options,
    });
  }

  /** A key no other test of this run uses. */
  key(label = 'k'): string {
    return `${label}:${++this.#keys}`;
  }

  async close(): Promise<void> {
    await this.base.close();
    await nothingIsLeft(['bases', 'threads']);
  }
}

/**
 * Each test has closed its databases when this is asked: nothing native may be left of them. The thread of a base may
 * still be at the destructor of what it has announced as ended.
 */
export async function nothingIsLeft(also: readonly ('bases' | 'threads')[] = []): Promise<void> {
  const names = ['pipelines', 'streams', 'payloads', 'largeValues', 'unsettled', ...also] as const;
  const left = (): string[] => {
    const counters = loadAddon().counters();
    return names.filter((name) => counters[name] !== 0).map((name) => `${name}: ${counters[name]}`);
  };
  const patience = Date.now() + 60_000;
  while (left().length > 0 && Date.now() < patience) await setImmediate();
  assert.deepEqual(left(), []);
}

/** A server of either kind, spoken to in one protocol from a base of either model. */
export class Site extends Bases {
  readonly isReal: boolean;
  #server: { readonly port: number; readonly stop: () => Promise<void> } | undefined;

  constructor(model: Model, isReal: boolean, protocol: Protocol) {
    super(model, protocol);
    this.isReal = isReal;
  }

  get port(): number {
    assert.ok(this.#server);
    return this.#server.port;
  }

  get node(): string {
    return `127.0.0.1:${this.port}`;
  }

  open(options?: ConnectOptions): Promise<Database> {
    return this.connect(`memcached://${this.node}`, options);
  }

  raw(): Promise<RawClient> {
    return RawClient.connect({ port: this.port });
  }

  async start(): Promise<void> {
    const server = await (this.isReal ? startMemcached() : startServer());
    this.#server = { port: server.port, stop: async () => server[Symbol.asyncDispose]() };
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
  }
}

/** Runs the tests against both kinds of server from both models of base, by each of the protocols. */
export function everywhere(
  title: string,
  tests: (site: Site) => void,
  protocols: readonly Protocol[] = ['binary'],
): void {
  const sites = [false, true].flatMap((isReal) =>
    MODELS.flatMap((model) => protocols.map((protocol) => new Site(model, isReal, protocol))),
  );
  for (const site of sites) {
    const { isReal, model, protocol } = site;
    const server = isReal ? 'memcached' : 'the test server';
    const skip = isReal && skipWithout('memcached', 'memcached');
    describe(`${title}: ${server}, ${model} base, ${protocol}`, { skip }, () => {
      before(() => site.start());
      afterEach(() => nothingIsLeft());
      after(async () => {
        await site.close();
        await site.stop();
      });
      tests(site);
    });
  }
}

/** Runs the tests from both models of base, in the binary protocol; each starts the test servers it needs. */
export function onBothBases(title: string, tests: (bases: Bases) => void): void {
  for (const model of MODELS) onBases(new Bases(model), `${title}: ${model} base`, tests);
}

/** The same, and in the meta protocol from one of them: how a base is driven is no affair of a protocol. */
export function inBothProtocols(title: string, tests: (bases: Bases) => void): void {
  onBothBases(title, tests);
  onBases(new Bases('host', 'meta'), `${title}: host base, meta`, tests);
}

function onBases(bases: Bases, title: string, tests: (bases: Bases) => void): void {
  describe(title, () => {
    afterEach(() => nothingIsLeft());
    after(() => bases.close());
    tests(bases);
  });
}

/** A test server and a client of it, which ends with it. */
export class Pair implements AsyncDisposable {
  readonly server: TestServer;
  readonly db: Database;

  constructor(server: TestServer, db: Database) {
    this.server = server;
    this.db = db;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.db.close({ timeout: 1 });
    await this.server.close();
  }
}

export async function startPair(
  bases: Bases,
  options: ConnectOptions = {},
  serverOptions: ServerOptions = {},
): Promise<Pair> {
  const server = await startServer(serverOptions);
  return new Pair(server, await bases.connect(server.url, options));
}

/** Resolves once `condition` holds, looked at once a turn; the test's own timeout is the limit. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await setImmediate();
}

/** What became of each promise, in their order: 'ok' or the error's code (20 of an AbortError). */
export async function outcomes(promises: Iterable<Promise<unknown>>): Promise<(string | number)[]> {
  const settled = await Promise.allSettled(promises);
  return settled.map((each) =>
    each.status === 'fulfilled' ? 'ok' : (each.reason?.code ?? String(each.reason)),
  );
}
