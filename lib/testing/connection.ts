import type { Socket } from 'node:net';
import { joined } from './answers';
import { type CommandContext, execute } from './commands';
import { executes, faultSteps } from './fault-actions';
import type { FaultBook, RequestAction } from './faults';
import { Outbox, reset } from './outbox';
import { type Request, RequestParser, type RequestReceiver, type Verdict } from './parser';
import { MAX_KEY_BYTES, Status } from './protocol';
import type { Recording } from './recording';

/** What all connections of a server share. */
export interface ConnectionHost extends CommandContext {
  readonly faults: FaultBook;
  readonly recording: Recording | undefined;
  readonly maxItemBytes: number;
  /** A read has been dealt with, in which this many requests arrived. */
  handled(requests: number): void;
  closed(connection: Connection): void;
}

const NOT_BINARY = 'CLIENT_ERROR this server speaks only the binary protocol of memcached\r\n';

/** One client: cuts its bytes into requests, executes them and answers each read with one write. */
export class Connection implements RequestReceiver {
  /** In order of acceptance, from 0. */
  readonly index: number;
  readonly #socket: Socket;
  readonly #host: ConnectionHost;
  readonly #outbox: Outbox;
  readonly #parser: RequestParser;
  #requests = 0;
  #hung = false;
  #peerFull = false;
  #paused = false;

  constructor(index: number, socket: Socket, host: ConnectionHost) {
    this.index = index;
    this.#socket = socket;
    this.#host = host;
    this.#outbox = new Outbox(socket, {
      sent: (bytes) => {
        host.counters.bytes_written += bytes;
      },
      full: (full) => {
        this.#peerFull = full;
        this.#flow();
      },
    });
    this.#parser = new RequestParser(host.maxItemBytes + MAX_KEY_BYTES, this);
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
    if (how === 'reset') reset(this.#socket);
    else this.#socket.destroy();
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
    this.#parser.feed(chunk);
    this.#outbox.send(host.answers.take());
    host.handled(this.#requests);
  }

  request(request: Request): Verdict {
    this.#requests += 1;
    const host = this.#host;
    host.recording?.command(this.index, request);
    if (this.#hung) return 'continue';
    const action = host.faults.hasRequestFaults ? host.faults.forRequest(request, this.index) : undefined;
    if (action !== undefined) return this.#strike(action, request);
    return this.#afterwards(execute(request, host));
  }

  broken(reason: 'magic' | 'lengths', request: Request): void {
    if (reason === 'lengths') this.#host.answers.error(request, Status.unknownCommand);
    // Whoever speaks the text protocol, or that of the web, begins with a letter and reads lines.
    else if (/[A-Za-z]/.test(String.fromCharCode(request.bytes[request.start] ?? 0)))
      this.#outbox.send([Buffer.from(NOT_BINARY, 'latin1')]);
    this.#afterwards('stop');
  }

  #strike(action: RequestAction, request: Request): Verdict {
    const { answers } = this.#host;
    this.#outbox.send(answers.take());
    const verdict = executes(action) ? execute(request, this.#host) : 'continue';
    const answer = joined(answers.take());
    if (action.kind === 'hang' && action.later !== 'answer') this.#hung = true;
    const steps = faultSteps(action, request, answer);
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
