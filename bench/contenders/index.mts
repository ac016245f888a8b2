// The contenders by name, each loaded only in the child that measures it.
import type { Contender } from './contender.mts';

const loaders: Record<string, () => Promise<{ contender: Contender }>> = {
  'evenkeel-host': () => import('./evenkeel-host.mts'),
  'evenkeel-meta': () => import('./evenkeel-meta.mts'),
  'evenkeel-thread': () => import('./evenkeel-thread.mts'),
  memjs: () => import('./memjs.mts'),
  memcached: () => import('./memcached.mts'),
  'memcache-client': () => import('./memcache-client.mts'),
  ioredis: () => import('./ioredis.mts'),
  'loop-floor': () => import('./loop-floor.mts'),
};

export async function loadContender(name: string): Promise<Contender> {
  const load = loaders[name];
  if (!load) throw new Error(`no contender is named ${name}`);
  return (await load()).contender;
}
