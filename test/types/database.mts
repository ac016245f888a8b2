import {
  type BaseView,
  type Capabilities,
  type ConnectOptions,
  connect,
  type Database,
  type ErrorContext,
  EvenkeelError,
  EventBase,
  TimeoutError,
  type Transcoder,
} from '../../lib/index.ts';
import { is } from './same.mts';

/** connect() and what comes of it. */
export async function connecting(): Promise<void> {
  await using db = await connect('memcached://127.0.0.1', { timeout: 500, backoff: { min: 1 }, lazy: true });
  is<Database>()(db, true);
  is<boolean>()(db.closed, true);
  is<Capabilities>()(db.capabilities, true);
  is<string>()(await db.version(), true);
  is<void>()(await db.idle(), true);
  is<void>()(await db.via(EventBase.host).idle({ timeout: 1, signal: AbortSignal.timeout(1) }), true);
  // @ts-expect-error no such option
  await db.idle({ deadline: 1 });
  is<void>()(await db.close({ timeout: 1 }), true);
  is<BaseView>()(db.via(EventBase.host), true);
  // @ts-expect-error a url is needed
  await connect();
  // @ts-expect-error a misspelt option
  await connect('memcached://h', { timeOut: 1 });
  await connect('memcached://h', {
    managementBase: 'internal',
    connectionsPerNode: 2,
    resolveInterval: 1000,
  });
  // @ts-expect-error no such place
  await connect('memcached://h', { managementBase: 'elsewhere' });
  // @ts-expect-error both halves of a transcoder are needed
  await connect('memcached://h', { transcoder: { encode: () => ({ data: '', flags: 0 }) } });
  // @ts-expect-error a view is closed with its database
  db.via(EventBase.host).close();
  // @ts-expect-error whether it is closed is not up to the caller
  db.closed = true;
  // @ts-expect-error what an engine can do is not up to the caller
  db.capabilities.events = true;
}

/** Bases come from EventBase.host and EventBase.create(). */
export async function bases(): Promise<void> {
  await using base = EventBase.create({ name: 'io' });
  is<'host' | 'thread'>()(base.model, true);
  using timer = base.timer(1, () => {});
  timer.cancel();
  base.watch(0, { readable: true }, ({ readable, writable }) => is<boolean>()(readable && writable, true));
  base.signal('SIGHUP', (name) => is<NodeJS.Signals>()(name, true));
  // @ts-expect-error bases are made by create()
  new EventBase('io', true);
  // @ts-expect-error no such signal
  base.signal('SIGNOTHING', () => {});
  const options: ConnectOptions = { eventBase: base };
  // @ts-expect-error options are read only
  options.eventBase = undefined;
}

/** Errors tell their class, and what they know. */
export function failing(error: unknown): string | undefined {
  if (error instanceof TimeoutError) {
    const code: string = TimeoutError.code;
    is<string>()(code, true);
    is<boolean>()(error.ambiguous, true);
  }
  if (!(error instanceof EvenkeelError)) return undefined;
  is<string>()(error.code, true);
  is<ErrorContext>()(error.context, true);
  is<number | undefined>()(error.context.attempts, true);
  // @ts-expect-error the context is read only
  error.context.op = 'get';
  // @ts-expect-error the code is read only
  error.code = 'OTHER';
  return error.context.key;
}

/** A transcoder may decode to anything, and encodes to bytes or text with flags. */
export const transcoder: Transcoder = {
  encode: (value) => ({ data: Buffer.from(String(value)), flags: 1 }),
  decode(data, flags) {
    is<Buffer>()(data, true);
    is<number>()(flags, true);
    return data;
  },
};

export const asynchronous: Transcoder = {
  // @ts-expect-error encoding is synchronous
  encode: async () => ({ data: '', flags: 0 }),
  decode: async (data) => data,
};
