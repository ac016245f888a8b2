import { excerpt } from '../text';
import { type Column, fitted } from './layout';
import { duration, percent, rate } from './report';
import type { ServerRates } from './server-rates';

const LONGEST_NAME = 24;
const UNITS = ['B', 'K', 'M', 'G', 'T', 'P'];
const UNKNOWN = '-';

/**
 * A table of the servers, in at most `width` characters per line, followed by the errors of those that have not
 * answered.
 */
export function topTable(servers: readonly ServerRates[], width: number): string {
  const table = fitted(servers, COLUMNS, width);
  const faults = servers.flatMap(({ name, fault }) => (fault === undefined ? [] : [`${name}: ${fault}`]));
  return [table, ...faults].join('\n');
}

const COLUMNS: readonly Column<ServerRates>[] = [
  { head: 'server', cell: ({ name }) => shortened(name) },
  { head: 'state', cell: stateOf },
  { head: 'gets/s', cell: ({ getsPerSecond }) => known(getsPerSecond, rate) },
  { head: 'sets/s', cell: ({ setsPerSecond }) => known(setsPerSecond, rate) },
  { head: 'hits', cell: ({ hitRatio }) => known(hitRatio, percent) },
  { head: 'items', cell: ({ items }) => known(items, rate), dispensable: 2 },
  { head: 'memory', cell: memoryOf },
  { head: 'conns', cell: ({ connections }) => known(connections, rate), dispensable: 3 },
  { head: 'evict/s', cell: ({ evictionsPerSecond }) => known(evictionsPerSecond, rate), dispensable: 1 },
  { head: 'probe', cell: ({ latency }) => known(latency, (ms) => duration(ms * 1000)) },
  { head: 'version', cell: ({ version }) => excerpt(version ?? UNKNOWN, 12), dispensable: 4 },
];

const known = (figure: number | undefined, text: (figure: number) => string): string =>
  figure === undefined ? UNKNOWN : text(figure);

function stateOf({ state, fault, version }: ServerRates): string {
  if (fault === undefined) return 'up';
  if (state === 'connected') return version === undefined ? 'silent' : 'error';
  return state === 'connecting' ? 'trying' : 'down';
}

/** The used part of the memory limit; the limit shows the size of the server. */
function memoryOf({ bytes, limitBytes }: ServerRates): string {
  if (bytes === undefined || limitBytes === undefined || limitBytes === 0) return known(bytes, size);
  return `${Math.round((bytes / limitBytes) * 100)}%/${size(limitBytes)}`;
}

function size(bytes: number): string {
  const power = Math.min(UNITS.length - 1, Math.max(0, Math.floor(Math.log2(bytes) / 10)));
  const figure = bytes / 1024 ** power;
  return `${figure.toFixed(figure < 10 && !Number.isInteger(figure) ? 1 : 0)}${UNITS[power]}`;
}

/** Keeps the port, which distinguishes servers on a host, and the start, which distinguishes hosts of a domain. */
function shortened(name: string): string {
  if (name.length <= LONGEST_NAME) return name;
  const end = name.slice(-8);
  return `${name.slice(0, LONGEST_NAME - end.length - 1)}…${end}`;
}
