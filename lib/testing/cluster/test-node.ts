import { checkStopOptions } from '../checks';
import type { Call, EndpointOperations, StopOptions } from '../operations';
import { TestEndpoint } from '../test-endpoint';
import type { ClusterOperations } from './operations';
import type { NodeAddress } from './options';
import { ClusterOpcode, type ClusterOpcodeName } from './protocol';

export interface RespawnOptions {
  /** As if only the network had been away; default false: what had not been persisted is lost, and uuids are new. */
  readonly keepData?: boolean | undefined;
}

/** One node of a cluster for tests. */
export class TestNode extends TestEndpoint<ClusterOpcodeName> {
  /** In order of their making, from 0; `connection` of faults and recordings counts those of this node. */
  readonly number: number;
  readonly host: string;
  readonly port: number;
  /** With TLS; undefined without the option. */
  readonly securePort: number | undefined;
  readonly #call: Call<ClusterOperations>;

  constructor({ number, host, port, securePort }: NodeAddress, call: Call<ClusterOperations>) {
    super(
      (name, ...args) => call('atNode', number, name, args) as ReturnType<EndpointOperations[typeof name]>,
      ClusterOpcode,
    );
    this.number = number;
    this.host = host;
    this.port = port;
    this.securePort = securePort;
    this.#call = call;
  }

  /** Stops listening and ends every connection, without anybody being told. `respawn` brings it back at the same ports. */
  async kill(options: StopOptions = {}): Promise<void> {
    checkStopOptions(options);
    return this.#call('kill', this.number, options.reset ?? false);
  }

  async respawn({ keepData = false }: RespawnOptions = {}): Promise<void> {
    return this.#call('respawn', this.number, keepData);
  }

  /** Like a node that hangs: nothing is read for so many milliseconds, then everything is answered. */
  async hiccup(milliseconds: number): Promise<void> {
    return this.#call('hiccup', this.number, milliseconds);
  }
}
