import { resolve } from 'node:path';
import { dateNow } from '../platform';
import { AnswerBuffer } from './answers';
import { binaryDialect } from './binary/dialect';
import { Request, RequestParser } from './binary/parser';
import type { CommandContext } from './commands';
import type { Connection, Parser } from './connection';
import type { Credentials } from './credentials';
import { Endpoint } from './endpoint';
import { FaultBook } from './fault-book';
import type { Listener } from './listener';
import type {
  Address,
  RestartOptions,
  ServerAge,
  ServerOperations,
  ServerOptions,
  ServerProtocol,
} from './operations';
import { HEADER_BYTES, MAX_KEY_BYTES, Opcode, REQUEST_MAGIC, Status } from './protocol';
import type { Session } from './requests';
import { PrefixCounters, statGroup } from './stat-groups';
import { Counters, generalStats, VERSION } from './stats';
import { Store } from './store';
import { textDialect } from './text/dialect';
import { TextParser } from './text/parser';

const DEFAULT_MAX_ITEM_BYTES = 1024 * 1024;
const DEFAULT_MAX_BYTES = 64 * 1024 * 1024;
const DEFAULT_MAX_CONNECTIONS = 1024;
/** The words of memcached, which a client of any protocol is told. */
const TOO_MANY_CONNECTIONS = 'ERROR Too many open connections\r\n';

/** A memcached server in this thread. The first byte of a connection says which protocol it speaks. */
export class LocalServer extends Endpoint implements ServerOperations, CommandContext {
  override readonly counters: Counters;
  override readonly answers: AnswerBuffer;
  readonly maxItemBytes: number;
  readonly maxConnections: number;
  readonly prefixes = new PrefixCounters();
  readonly credentials: Credentials | undefined;
  version = VERSION;
  protocols: readonly ServerProtocol[] = ['binary', 'text', 'meta'];
  store: Store;
  readonly #maxBytes: number;
  readonly #clock: () => number;
  readonly #listener: Listener;
  #startedAt = 0;

  private constructor(options: ServerOptions) {
    const counters = new Counters();
    const answers = new AnswerBuffer();
    const maxConnections = options.maxConnections ?? DEFAULT_MAX_CONNECTIONS;
    super({
      faults: new FaultBook(Opcode),
      counters,
      answers,
      record: options.record ?? false,
      maxConnections,
      refusal: TOO_MANY_CONNECTIONS,
    });
    this.counters = counters;
    this.answers = answers;
    this.maxConnections = maxConnections;
    this.maxItemBytes = options.maxItemBytes ?? DEFAULT_MAX_ITEM_BYTES;
    this.#maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES;
    this.#clock = options.clock ?? dateNow;
    this.credentials = options.credentials;
    this.#age(options);
    this.store = this.#emptyStore();
    const address = {
      host: options.host ?? '127.0.0.1',
      port: options.port ?? 0,
      path: options.path && resolve(options.path),
      secure: options.tls !== undefined,
    };
    this.#listener = this.addDoor(address, options.tls);
  }

  static async start(options: ServerOptions): Promise<LocalServer> {
    const server = new LocalServer(options);
    await server.start();
    return server;
  }

  get address(): Address {
    return this.#listener.address;
  }

  async restart(options: RestartOptions): Promise<void> {
    await this.stop(options);
    this.#age(options);
    if (!options.keepData) this.store = this.#emptyStore();
    await this.start();
  }

  async flush(): Promise<void> {
    this.store.flush();
  }

  async stats(): Promise<Record<string, string>> {
    return this.#generalStats();
  }

  statistics(group: string): Readonly<Record<string, string | number>> | undefined {
    if (group === '') return this.#generalStats();
    const { address, maxItemBytes, maxConnections, store, prefixes } = this;
    const maxBytes = this.#maxBytes;
    const authenticates = this.credentials !== undefined;
    return statGroup(group, {
      address,
      maxBytes,
      maxItemBytes,
      maxConnections,
      authenticates,
      store,
      prefixes,
    });
  }

  override parserOf(connection: Connection, first: Buffer): Parser {
    const protocol = first[0] === REQUEST_MAGIC ? 'binary' : 'text';
    if (!this.protocols.includes(protocol)) return stranger(protocol, connection);
    const session = {
      speaksMeta: this.protocols.includes('meta'),
      authenticated: this.credentials === undefined,
      saslStarted: false,
    };
    return protocol === 'binary' ? this.#binary(connection, session) : this.#text(connection, session);
  }

  protected override async start(): Promise<void> {
    this.#startedAt = this.#clock();
    await super.start();
  }

  #binary(connection: Connection, session: Session): Parser {
    const dialect = binaryDialect(this, session);
    return new RequestParser(new Request(), this.maxItemBytes + MAX_KEY_BYTES, {
      request: (request) => connection.take(request, dialect),
      broken: (reason, request) => {
        if (reason === 'lengths') this.answers.error(request, Status.unknownCommand);
        connection.stop();
      },
    });
  }

  #text(connection: Connection, session: Session): Parser {
    const dialect = textDialect(this, session);
    return new TextParser(this.maxItemBytes, session, {
      request: (request) => connection.take(request, dialect),
      broken: (answer) => {
        if (answer !== undefined) this.answers.line(answer);
        connection.stop();
      },
    });
  }

  /** What is not said stays. */
  #age({ version = this.version, protocols = this.protocols }: ServerAge): void {
    this.version = version;
    this.protocols = protocols;
  }

  #generalStats(): Record<string, string> {
    return generalStats({
      counters: this.counters,
      store: this.store,
      version: this.version,
      connections: this.openConnections,
      startedAt: this.#startedAt,
      now: this.#clock(),
      maxBytes: this.#maxBytes,
    });
  }

  #emptyStore(): Store {
    return new Store({ clock: this.#clock, maxBytes: this.#maxBytes, maxItemBytes: this.maxItemBytes });
  }
}

/** Of the protocol that the server does not understand. A header of the binary one is waited for before it is looked at. */
function stranger(protocol: 'binary' | 'text', connection: Connection): Parser {
  let missing = protocol === 'binary' ? 0 : HEADER_BYTES;
  return {
    feed: ({ length }) => {
      missing -= length;
      if (missing <= 0) connection.stop();
    },
  };
}
