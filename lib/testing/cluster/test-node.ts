import { checkStopOptions } from '../checks';
import type { Call, EndpointOperations, StopOptions } from '../operations';
import { TestEndpoint } from '../test-endpoint';
import type { ClusterOperations } from './operations';
import type { NodeAddress } from './options';
import { ClusterOpcode, type ClusterOpcodeName } from './protocol';

export interface RespawnOptions {
  /** Keeps all data, as if only the network had failed. Default false: writes that were not persisted are lost, and vbucket uuids change. */
  readonly keepData?: boolean | undefined;
}

/** One node of a test cluster. */
export class TestNode extends TestEndpoint<ClusterOpcodeName> {
  /** In order of creation, from 0. In faults and recordings, `connection` counts the connections of this node. */
  readonly number: number;
  readonly host: string;
  readonly port: number;
  /** Port with TLS; undefined without the `tls` option. */
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

  /** Stops listening and ends every connection; the configuration stays as it is. `respawn` starts it again at the same ports. */
  async kill(options: StopOptions = {}): Promise<void> {
    checkStopOptions(options);
    return this.#call('kill', this.number, options.reset ?? false);
  }

  async respawn({ keepData = false }: RespawnOptions = {}): Promise<void> {
    return this.#call('respawn', this.number, keepData);
  }

  /** Reads nothing for the given milliseconds, like a node that hangs, and then answers everything. Resolves at the end. */
  async hiccup(milliseconds: number): Promise<void> {
    return this.#call('hiccup', this.number, milliseconds);
  }
}
