import { parseServer } from '../../lib/cluster/connection-string.ts';
import { placeKeys, serverOf } from '../../lib/cluster/placement/placement.ts';

/** So many keys of each server, as the default placement has them. `names`: as in the database's url. */
export function keysOfServers(names: readonly string[], each: number): readonly (readonly string[])[] {
  const placement = placeKeys(
    'ketama',
    names.map((name) => parseServer(name, 'servers')),
  );
  const keys = names.map((): string[] => []);
  for (let n = 0; keys.some((own) => own.length < each); n += 1) {
    const own = keys[serverOf(placement, `key:${n}`)] as string[];
    if (own.length < each) own.push(`key:${n}`);
  }
  return keys;
}
