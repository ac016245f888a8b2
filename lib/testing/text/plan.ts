import type { CommandContext } from '../commands';
import type { ReceivedCommand } from '../recording';
import type { AnyRequest, Session } from '../requests';

export const BAD_FORMAT = 'CLIENT_ERROR bad command line format';
export const BAD_CHUNK = 'CLIENT_ERROR bad data chunk';
export const TOO_LARGE = 'SERVER_ERROR object too large for cache';

/** Opcode of a command that there is not. */
export const NO_COMMAND = 0xff;

/** Longest data block that memcached reads the announcement of. */
export const MAX_BLOCK_BYTES = 2 ** 31 - 3;

/** What arrived behind the line, and on which connection. */
export interface Given {
  readonly block: Buffer;
  /** The block ended where its line had announced. */
  readonly isWhole: boolean;
  readonly session: Session;
}

/** What a command line asks for. */
export interface Plan {
  readonly opcode: number;
  /** Bytes as latin1. */
  readonly keys: readonly string[];
  /** Bytes of the data block that belongs to it, without its CRLF; undefined: none. */
  readonly block?: number;
  /** Bytes behind the line that are thrown away. */
  readonly skip?: number;
  readonly cas?: bigint;
  /** Of the meta protocol: what its answers repeat of the request. */
  readonly meta?: { readonly opaque: string | undefined; readonly echo: string; readonly miss: string };
  /** The connection ends behind it. */
  readonly ends?: boolean;
  run(context: CommandContext, given: Given): void;
}

/** A plan that only answers. */
export function saying(text: string, opcode: number, quiet = false): Plan {
  return {
    opcode,
    keys: [],
    run: ({ answers }) => {
      if (!quiet) answers.line(text);
    },
  };
}

const NO_BYTES = Buffer.alloc(0);

/** A command of the text or the meta protocol, with the data block behind it. */
export class TextRequest implements AnyRequest {
  block: Buffer = NO_BYTES;
  isWhole = true;
  readonly line: string;
  readonly plan: Plan;

  constructor(line: string, plan: Plan) {
    this.line = line;
    this.plan = plan;
  }

  get opcode(): number {
    return this.plan.opcode;
  }

  keys(): string[] {
    return this.plan.keys.map((key) => Buffer.from(key, 'latin1').toString('utf8'));
  }

  received(): Omit<ReceivedCommand, 'connection'> {
    const { opcode, keys, cas = 0n, meta } = this.plan;
    return {
      opcode,
      key: Buffer.from(keys[0] ?? '', 'latin1'),
      opaque: number32(meta?.opaque),
      cas,
      extras: NO_BYTES,
      value: Buffer.from(this.block),
      line: this.line,
    };
  }
}

/** An opaque as a number, 0 where it is none of 32 bits. */
function number32(opaque = ''): number {
  return /^\d{1,10}$/.test(opaque) ? Number(opaque) >>> 0 : 0;
}
