import type { Socket } from 'node:net';
import { joined } from './answers';
import { binaryDialect } from './binary/dialect';
import { RequestParser } from './binary/parser';
import type { CommandContext } from './commands';
import type { Dialect } from './dialect';
import { executes, faultSteps } from './fault-actions';
import type { FaultBook } from './fault-book';
import type { RequestAction } from './faults';
import type { ServerProtocol } from './operations';
import { Outbox, reset } from './outbox';
import { HEADER_BYTES, MAX_KEY_BYTES, REQUEST_MAGIC, Status } from './protocol';
import type { Recording } from './recording';
import type { AnyRequest, Session, Verdict } from './requests';
import { textDialect } from './text/dialect';
import { TextParser } from './text/parser';

/** What all connections of a server share. */
export interface ConnectionHost extends CommandContext {
  readonly faults: FaultBook;
  readonly recording: Recording | undefined;
  readonly maxItemBytes: number;
  readonly protocols: readonly ServerProtocol[];
  /** A read has been dealt with, in which this many requests arrived. */
  handled(requests: number): void;
  closed(connection: Connection): void;
}

/** Cuts the bytes of a connection into requests. */
interface Parser {
  feed(chunk: Buffer): void;
}

/**
 * One client: its first byte says which protocol it speaks. Its bytes are cut into requests, which are executed, and
 * each read is answered with one write.
 */
export class Connection {
  /** In order of acceptance, from 0. */
  readonly index: number;
  readonly #socket: Socket;
  /** The socket below TLS; without TLS the same. */
  readonly #raw: Socket;
  readonly #host: ConnectionHost;
  readonly #outbox: Outbox;
  readonly #session: Session;
  #parser: Parser | undefined;
  #requests = 0;
  #hung = false;
  #peerFull = false;
  #paused = false;

  constructor(index: number, socket: Socket, host: ConnectionHost, raw = socket) {
    this.index = index;
    this.#socket = socket;
    this.#raw = raw;
    this.#host = host;
    this.#outbox = new Outbox(socket, {
      sent: (bytes) => {
        host.counters.bytes_written += bytes;
      },
      full: (full) => {
        this.#peerFull = full;
        this.#flow();
      },
      reset: () => this.end('reset'),
    });
    this.#session = {
      speaksMeta: host.protocols.includes('meta'),
      authenticated: host.credentials === undefined,
      saslStarted: false,
    };
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    socket.on('close', () => host.closed(this));
  }

  /** Starts reading. */
  serve(): void {
    this.#socket.on('data', (chunk: Buffer) => this.#receive(chunk));
  }

  /** Sends bytes nobody asked for. */
  banner(bytes: Buffer): void {
    this.#outbox.send([bytes]);
  }

  /** Reads on and throws away, so that the peer's FIN is still noticed. */
  ignore(): void {
    this.#socket.resume();
  }

  pause(): void {
    this.#paused = true;
    this.#flow();
  }

  resume(): void {
    this.#paused = false;
    this.#flow();
  }

  /** Ends the connection at once, with FIN or RST. */
  end(how: 'close' | 'reset'): void {
    if (how === 'reset') reset(this.#raw);
    if (how === 'close' || this.#raw !== this.#socket) this.#socket.destroy();
  }

  #flow(): void {
    if (this.#paused || this.#peerFull) this.#socket.pause();
    else this.#socket.resume();
  }

  #receive(chunk: Buffer): void {
    const host = this.#host;
    host.counters.bytes_read += chunk.length;
    host.recording?.chunk(this.index, chunk);
    this.#requests = 0;
    this.#parser ??= this.#parserOf(chunk[0] === REQUEST_MAGIC ? 'binary' : 'text');
    this.#parser.feed(chunk);
    this.#outbox.send(host.answers.take());
    host.handled(this.#requests);
  }

  #parserOf(protocol: 'binary' | 'text'): Parser {
    if (!this.#host.protocols.includes(protocol)) return this.#stranger(protocol);
    return protocol === 'binary' ? this.#binary() : this.#text();
  }

  /** Of the protocol that the server does not understand. A header of the binary one is waited for before it is looked at. */
  #stranger(protocol: 'binary' | 'text'): Parser {
    let missing = protocol === 'binary' ? 0 : HEADER_BYTES;
    return {
      feed: ({ length }) => {
        missing -= length;
        if (missing <= 0) this.#afterwards('stop');
      },
    };
  }

  #binary(): Parser {
    return new RequestParser(this.#host.maxItemBytes + MAX_KEY_BYTES, {
      request: (request) => this.#request(request, binaryDialect),
      broken: (reason, request) => {
        if (reason === 'lengths') this.#host.answers.error(request, Status.unknownCommand);
        this.#afterwards('stop');
      },
    });
  }

  #text(): Parser {
    return new TextParser(this.#host.maxItemBytes, this.#session, {
      request: (request) => this.#request(request, textDialect),
      broken: (answer) => {
        if (answer !== undefined) this.#host.answers.line(answer);
        this.#afterwards('stop');
      },
    });
  }

  #request<Request extends AnyRequest>(request: Request, dialect: Dialect<Request>): Verdict {
    this.#requests += 1;
    const host = this.#host;
    host.recording?.command(this.index, request.received());
    if (this.#hung) return 'continue';
    const action = host.faults.hasRequestFaults
      ? host.faults.forRequest(request, dialect, this.index)
      : undefined;
    if (action !== undefined) return this.#strike(action, request, dialect);
    return this.#afterwards(dialect.execute(request, host, this.#session));
  }

  #strike<Request extends AnyRequest>(
    action: RequestAction,
    request: Request,
    dialect: Dialect<Request>,
  ): Verdict {
    const { answers } = this.#host;
    this.#outbox.send(answers.take());
    const verdict = executes(action) ? dialect.execute(request, this.#host, this.#session) : 'continue';
    const answer = joined(answers.take());
    if (action.kind === 'hang' && action.later !== 'answer') this.#hung = true;
    const steps = faultSteps(action, dialect, request, answer);
    this.#outbox.run(steps);
    const last = steps.at(-1)?.kind;
    return last === 'close' || last === 'reset' ? 'stop' : this.#afterwards(verdict);
  }

  #afterwards(verdict: Verdict): Verdict {
    if (verdict === 'stop') {
      this.#outbox.send(this.#host.answers.take());
      this.#outbox.run([{ kind: 'close' }]);
    }
    return verdict;
  }
}
