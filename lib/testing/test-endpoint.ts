import { checkCount, checkStopOptions } from './checks';
import { checkFault } from './fault-check';
import type { FaultRule } from './faults';
import type { Call, EndpointOperations, StopOptions } from './operations';
import type { ReceivedChunk, ReceivedCommand } from './recording';

type EndpointCall = Call<EndpointOperations>;

/** A fault that has been set. */
export class FaultHandle {
  readonly #id: number;
  readonly #call: EndpointCall;

  constructor(id: number, call: EndpointCall) {
    this.#id = id;
    this.#call = call;
  }

  /** How often it has been applied. */
  hits(): Promise<number> {
    return this.#call('faultHits', this.#id);
  }

  /** Resolves once it has been applied `hits` times (default 1); rejects when the server is closed first. */
  async waitForHits(hits = 1): Promise<void> {
    checkCount('hits', hits);
    return this.#call('waitForFaultHits', this.#id, hits);
  }

  remove(): Promise<void> {
    return this.#call('removeFault', this.#id);
  }
}

/**
 * A listening endpoint as tests see it, in this thread or in a worker. `Name` is the type of its protocol's operation
 * names.
 */
export class TestEndpoint<Name extends string> {
  readonly #call: EndpointCall;
  readonly #opcodes: Readonly<Record<string, number>>;

  constructor(call: EndpointCall, opcodes: Readonly<Record<Name, number>>) {
    this.#call = call;
    this.#opcodes = opcodes;
  }

  /**
   * Sets a fault. If several match a request, the one set first applies. Rejects with InvalidArgumentError for an
   * invalid rule.
   */
  async fault(rule: FaultRule<Name>): Promise<FaultHandle> {
    checkFault(rule, this.#opcodes);
    return new FaultHandle(await this.#call('addFault', rule), this.#call);
  }

  clearFaults(): Promise<void> {
    return this.#call('clearFaults');
  }

  /** The number of open connections. */
  connections(): Promise<number> {
    return this.#call('connections');
  }

  /** Resolves once exactly `count` connections are open; rejects when the server is closed first. */
  async waitForConnections(count: number): Promise<void> {
    checkCount('count', count);
    return this.#call('waitForConnections', count);
  }

  /** Resolves once `count` requests have been received since the start; does not need recording. */
  async waitForCommands(count: number): Promise<void> {
    checkCount('count', count);
    return this.#call('waitForCommands', count);
  }

  /** The bytes of each read, in order. Rejects without the `record` option. */
  async received(): Promise<ReceivedChunk[]> {
    const chunks = await this.#call('received');
    return chunks.map((chunk) => ({ ...chunk, bytes: asBuffer(chunk.bytes) }));
  }

  /** The requests received, in order. Rejects without the `record` option. */
  async commands(): Promise<ReceivedCommand[]> {
    const commands = await this.#call('commands');
    return commands.map((command) => ({
      ...command,
      key: asBuffer(command.key),
      extras: asBuffer(command.extras),
      value: asBuffer(command.value),
    }));
  }

  /** Closes all open connections; resolves when they are gone. */
  async disconnectAll(options: StopOptions = {}): Promise<void> {
    checkStopOptions(options);
    return this.#call('disconnectAll', options);
  }

  /** Stops reading, like a stopped process: the kernel still accepts connections, but nothing is answered. */
  pause(): Promise<void> {
    return this.#call('pause');
  }

  resume(): Promise<void> {
    return this.#call('resume');
  }
}

/** Buffers arrive from a worker as plain byte arrays. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
