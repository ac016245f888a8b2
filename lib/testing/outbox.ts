import type { Socket } from 'node:net';
import { clearTimeout, setTimeout } from '../platform';

/** What is to happen next on the sending side of a connection. */
export type Step =
  | { readonly kind: 'bytes'; readonly bytes: Buffer[] }
  | { readonly kind: 'wait'; readonly ms: number }
  /** Bytes that leave after `ms`, without holding up what follows. */
  | { readonly kind: 'later'; readonly bytes: Buffer[]; readonly ms: number }
  /** Nothing is sent from here on. */
  | { readonly kind: 'silence' }
  /** FIN, once everything before it has left. */
  | { readonly kind: 'close' }
  /** RST, once everything before it has left. */
  | { readonly kind: 'reset' };

export interface OutboxEvents {
  sent(bytes: number): void;
  /** The peer does not read: until `full(false)`, whoever owns the outbox should not read from it either. */
  full(full: boolean): void;
  /** End the connection with RST. */
  reset(): void;
}

/** The sending side of a connection, in order: what comes behind a wait waits too. */
export class Outbox {
  readonly #socket: Socket;
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #events: OutboxEvents;
  #queue: Step[] = [];
  #waiting = false;
  #ended = false;
  #full = false;

  constructor(socket: Socket, events: OutboxEvents) {
    this.#socket = socket;
    this.#events = events;
    socket.on('close', () => this.#abandon());
  }

  send(pieces: Buffer[]): void {
    if (pieces.length === 0 || this.#ended) return;
    if (this.#waiting) this.#queue.push({ kind: 'bytes', bytes: pieces });
    else this.#write(pieces);
  }

  run(steps: Step[]): void {
    for (const step of steps) this.#queue.push(step); // too many for a spread when a large answer is split
    if (!this.#waiting) this.#advance();
  }

  #advance(): void {
    for (;;) {
      const step = this.#ended ? undefined : this.#queue.shift();
      if (step === undefined) return;
      if (step.kind === 'wait') {
        this.#waiting = true;
        this.#after(step.ms, () => {
          this.#waiting = false;
          this.#advance();
        });
        return;
      }
      this.#perform(step);
    }
  }

  #perform(step: Exclude<Step, { kind: 'wait' }>): void {
    switch (step.kind) {
      case 'bytes':
        this.#write(step.bytes);
        break;
      case 'later':
        this.#after(step.ms, () => this.#write(step.bytes));
        break;
      case 'silence':
        this.#ended = true;
        break;
      case 'close':
        this.#ended = true;
        this.#socket.destroySoon();
        break;
      case 'reset':
        this.#ended = true;
        this.#socket.write('', () => this.#events.reset());
        break;
    }
  }

  #after(ms: number, action: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      action();
    }, ms);
    this.#timers.add(timer);
  }

  #write(pieces: Buffer[]): void {
    const socket = this.#socket;
    if (!socket.writable) return;
    const corked = pieces.length > 1;
    if (corked) socket.cork();
    let drained = true;
    for (const piece of pieces) {
      this.#events.sent(piece.length);
      drained = socket.write(piece);
    }
    if (corked) socket.uncork();
    if (!drained && !this.#full) {
      this.#full = true;
      this.#events.full(true);
      socket.once('drain', () => {
        this.#full = false;
        this.#events.full(false);
      });
    }
  }

  #abandon(): void {
    this.#ended = true;
    this.#queue = [];
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }
}

/** Ends a connection with RST; a unix socket knows no RST and is just closed. */
export function reset(socket: Socket): void {
  if (socket.destroyed) return;
  // While a FIN is on its way libuv refuses the RST, and the socket would never close (uv_tcp_close_reset: EINVAL).
  if (socket.remoteAddress === undefined || socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}
