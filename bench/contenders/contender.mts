// What a measured client looks like to the load loop. An adapter adds as little as it can: the numbers are the
// client's, in the form its users would write.

export type Value = Buffer | string;

export interface Target {
  host: string;
  /** One a server. */
  ports: number[];
  /** The authority of the servers' certificates, in PEM form; connections are encrypted then. */
  authority: string | undefined;
  /** Operations the load keeps in flight; for clients that bound them. */
  inFlight: number;
  /** Bytes of every value. */
  valueSize: number;
}

/** Of a target, as most clients take them: `host:port`. */
export const serversOf = ({ host, ports }: Target): string[] => ports.map((port) => `${host}:${port}`);

/** One batch's answers; `undefined` is a miss. */
export type Found = (key: string, index: number) => Value | undefined;

export interface Client {
  get(key: string): Promise<Value | null | undefined>;
  set(key: string, value: Value): Promise<unknown>;
  getMany(keys: string[]): Promise<Found>;
  close(): Promise<void>;
  /** Puts timers that stay pending beside the load, on the loop that carries it. */
  pendTimers?(count: number): void;
}

export interface Contender {
  name: string;
  /** The form of value the client moves at the least cost; the content is ASCII either way. */
  values: 'buffer' | 'string';
  open(target: Target): Promise<Client>;
}
