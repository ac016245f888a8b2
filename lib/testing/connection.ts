import type { Socket } from 'node:net';
import { joined } from './answers';
import type { Dialect } from './dialect';
import { executes, faultSteps } from './fault-actions';
import type { FaultBook } from './fault-book';
import type { RequestAction } from './faults';
import { Outbox, reset } from './outbox';
import type { Recording } from './recording';
import type { AnyRequest, Verdict } from './requests';

/** What all connections of an endpoint share. */
export interface ConnectionHost {
  readonly faults: FaultBook;
  readonly recording: Recording | undefined;
  readonly counters: { bytes_read: number; bytes_written: number };
  /** The answers to what is being executed. */
  readonly answers: { take(): Buffer[] };
  /** The protocol of a connection whose first bytes these are. */
  parserOf(connection: Connection, first: Buffer): Parser;
  /** A read has been dealt with, in which this many requests arrived. */
  handled(requests: number): void;
  closed(connection: Connection): void;
}

/** Cuts the bytes of a connection into requests, and has each taken by the connection. */
export interface Parser {
  feed(chunk: Buffer): void;
}

/**
 * One client. Its bytes are cut into requests, which are executed or struck by faults, and each read is answered with
 * one write.
 */
export class Connection {
  /** In order of acceptance, from 0. */
  readonly index: number;
  readonly #socket: Socket;
  /** The socket below TLS; without TLS the same. */
  readonly #raw: Socket;
  readonly #host: ConnectionHost;
  readonly #outbox: Outbox;
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
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    socket.on('close', () => host.closed(this));
  }

  /** Starts reading. */
  serve(): void {
    this.#socket.on('data', (chunk: Buffer) => this.#receive(chunk));
  }

  /** Sends bytes that are no answer to what is being executed. */
  send(pieces: Buffer[]): void {
    this.#outbox.send(pieces);
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

  /** Executes a request, unless a fault strikes it. */
  take<Request extends AnyRequest>(request: Request, dialect: Dialect<Request>): Verdict {
    this.#requests += 1;
    const host = this.#host;
    host.recording?.command(this.index, request.received());
    if (this.#hung) return 'continue';
    const action = host.faults.hasRequestFaults
      ? host.faults.forRequest(request, dialect, this.index)
      : undefined;
    if (action !== undefined) return this.#strike(action, request, dialect);
    return this.#afterwards(dialect.execute(request));
  }

  /** Sends the answers that there are and ends the connection. */
  stop(): void {
    this.#outbox.send(this.#host.answers.take());
    this.#outbox.run([{ kind: 'close' }]);
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
    this.#parser ??= host.parserOf(this, chunk);
    this.#parser.feed(chunk);
    this.#outbox.send(host.answers.take());
    host.handled(this.#requests);
  }

  #strike<Request extends AnyRequest>(
    action: RequestAction,
    request: Request,
    dialect: Dialect<Request>,
  ): Verdict {
    const { answers } = this.#host;
    this.#outbox.send(answers.take());
    const verdict = executes(action) ? dialect.execute(request) : 'continue';
    const answer = joined(answers.take());
    if (action.kind === 'hang' && action.later !== 'answer') this.#hung = true;
    const steps = faultSteps(action, dialect, request, answer);
    this.#outbox.run(steps);
    const last = steps.at(-1)?.kind;
    return last === 'close' || last === 'reset' ? 'stop' : this.#afterwards(verdict);
  }

  #afterwards(verdict: Verdict): Verdict {
    if (verdict === 'stop') this.stop();
    return verdict;
  }
}
