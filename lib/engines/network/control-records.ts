import type { NativeClient } from '../../native/addon';
import * as layout from '../../native/layout';
import type { Cluster } from './cluster';
import type { Completions } from './completions';
import type { Dialect } from './dialect';
import { Handshakes } from './handshakes';

/** Passes on what completion records tell of connections and servers, instead of operations. */
export class ControlRecords {
  readonly #native: NativeClient;
  readonly #completions: Completions;
  readonly #cluster: Cluster;
  readonly #dialect: Dialect;
  readonly #handshakes: Handshakes;

  constructor(native: NativeClient, completions: Completions, cluster: Cluster, dialect: Dialect) {
    this.#native = native;
    this.#completions = completions;
    this.#cluster = cluster;
    this.#dialect = dialect;
    this.#handshakes = new Handshakes(native, dialect.wires[0]);
  }

  /** `outcome`: an OUTCOME_… constant other than OUTCOME_ENDED; `at`: the record. */
  read(outcome: number, at: number): void {
    const { records } = this.#completions;
    const connection = this.#completions.connection(at);
    const detail = records[at + layout.RECORD_DETAIL] as number;
    const flags = records[at + layout.RECORD_FLAGS] as number;
    if (outcome === layout.OUTCOME_CONNECTED) {
      this.#cluster.connected(connection, this.#completions.text(at));
    } else if (outcome === layout.OUTCOME_DISCONNECTED) {
      const fault = this.#handshakes.ended(connection, detail, flags >>> 8);
      const said = this.#completions.bytes(this.#native, at);
      this.#cluster.disconnected(connection, { cause: detail, said, fault }, (flags & 1) !== 0);
    } else if (outcome === layout.OUTCOME_RETIRED) {
      this.#cluster.retired(connection);
    } else {
      this.#hear(outcome, connection, detail, flags, this.#completions.bytes(this.#native, at));
    }
  }

  /** What servers say besides their answers. */
  #hear(outcome: number, connection: number, detail: number, flags: number, value: Buffer): void {
    const { extension } = this.#dialect;
    const server = this.#cluster.nameOf(connection);
    if (outcome === layout.OUTCOME_SENT_BACK) extension?.sentBack(server, value);
    else if (outcome === layout.OUTCOME_NOTICE) extension?.noticed(server, detail, value, flags & 0xff);
    else if (outcome === layout.OUTCOME_HANDSHAKE)
      void this.#handshakes.answered(connection, flags, detail, value);
  }
}
