// What the host and the thread contender share: the same client on another event base.
import { connect, type EventBase } from 'evenkeel';
import { type Client, serversOf, type Target } from './contender.mts';

const hour = 3_600_000;

export async function openOn(
  eventBase: EventBase,
  target: Target,
  protocol: 'binary' | 'meta' = 'binary',
): Promise<Client> {
  const { authority, inFlight } = target;
  const db = await connect(`memcached://${serversOf(target).join(',')}`, {
    protocol,
    tls: authority === undefined ? false : { ca: authority },
    timeout: 60_000,
    maxInFlight: Math.max(65_536, inFlight),
    eventBase,
  });
  return {
    get: (key) => db.get<Buffer>(key),
    set: (key, value) => db.upsert(key, value),
    async getMany(keys) {
      const found = await db.getMany<Buffer>(keys);
      return (key) => found.get(key);
    },
    close: () => db.close(),
    pendTimers(count) {
      // Spread over an hour, the way deadlines of many requests are, and never due during the run.
      for (let i = 0; i < count; i++) eventBase.timer(hour + (i % hour), () => {});
    },
  };
}
