// The scenarios and the sets of them a run can be asked for.
import type { Operation } from './measurement.mts';

export type Server = 'memcached' | 'canned';

export interface Scenario {
  /** `server/operation/depth`, with a word for what is unusual. */
  id: string;
  server: Server;
  /** How many of them. */
  servers: number;
  /** Connections are encrypted. */
  tls: boolean;
  operation: Operation;
  depth: number;
  batch: number;
  valueSize: number;
  keyCount: number;
  workload: string;
  pendingTimers: number;
  contenders: readonly string[];
  /** Client and server on different cores; see placement.mts. */
  apart: boolean;
}

export const npmClients: readonly string[] = ['memjs', 'memcached', 'memcache-client'];
export const evenkeels: readonly string[] = ['evenkeel-host', 'evenkeel-thread'];
export const meta = 'evenkeel-meta';
export const raw = 'raw-cpp';
export const orientation = 'ioredis';
/** No client. */
export const loopFloor = 'loop-floor';

const everyone = [raw, ...evenkeels, ...npmClients];
const depths = [1, 16, 64, 256, 1024];
const megabyte = 1 << 20;

function scenario(
  server: Server,
  operation: Operation,
  depth: number,
  rest: Partial<Scenario> = {},
): Scenario {
  return {
    id: `${server}/${operation}/${depth}`,
    server,
    servers: 1,
    tls: false,
    operation,
    depth,
    batch: operation === 'getmany' ? 100 : 1,
    valueSize: 100,
    keyCount: 10_000,
    workload: '',
    pendingTimers: 0,
    apart: depth === 1 || server === 'canned',
    contenders: server === 'memcached' ? [...everyone, orientation] : everyone,
    ...rest,
  };
}

function large(operation: Operation, depth: number): Scenario {
  const id = `memcached/${operation}-1m/${depth}`;
  return scenario('memcached', operation, depth, { id, valueSize: megabyte, keyCount: 32 });
}

const millionTimers = scenario('memcached', 'get', 256, {
  id: 'memcached/get-million-timers/256',
  pendingTimers: 1_000_000,
  contenders: evenkeels,
});
const manyInFlight = scenario('memcached', 'get', 60_000, { contenders: [raw, ...evenkeels, loopFloor] });

/** Mostly reads of small values; many misses; mostly writes. */
const workloads = ['cluster52', 'cluster29', 'cluster12'].map((workload) =>
  scenario('memcached', 'replay', 256, {
    id: `memcached/${workload}/256`,
    workload,
    contenders: [...evenkeels, ...npmClients],
  }),
);

/** Several servers, or encrypted connections. What npm's clients can do of it differs. */
function fleet(
  server: Server,
  servers: number,
  operation: Operation,
  depth: number,
  rest: Partial<Scenario> = {},
): Scenario {
  const kind = `${server}${servers === 1 ? '' : servers}${rest.tls ? '-tls' : ''}`;
  // The canned server speaks no meta; memcache-client takes several servers for copies of one; only it can do TLS.
  const own = server === 'canned' ? evenkeels : [...evenkeels, meta];
  const npm = rest.tls ? ['memcache-client'] : ['memjs', 'memcached'];
  const contenders = [...own, ...(rest.tls && servers > 1 ? [] : npm)];
  return scenario(server, operation, depth, {
    id: `${kind}/${operation}/${depth}`,
    servers,
    contenders,
    ...rest,
  });
}

/** 256 operations in flight on each server, and as many on all together. */
const fleetScenarios = [
  ...(['get', 'set', 'mix'] as const).flatMap((operation) => [
    { ...scenario('memcached', operation, 256), contenders: [raw, ...evenkeels, meta, ...npmClients] },
    fleet('memcached', 3, operation, 768),
  ]),
  fleet('memcached', 3, 'get', 256),
  fleet('memcached', 1, 'get', 256, { tls: true }),
  fleet('memcached', 1, 'set', 256, { tls: true }),
  fleet('memcached', 3, 'get', 768, { tls: true }),
  fleet('canned', 1, 'get', 256),
  fleet('canned', 3, 'get', 768),
  fleet('canned', 100, 'get', 25_600),
  fleet('canned', 100, 'get', 768),
];

const targetScenarios = [
  scenario('memcached', 'get', 1),
  scenario('memcached', 'get', 256),
  scenario('memcached', 'set', 256),
  scenario('memcached', 'mix', 256),
  scenario('canned', 'get', 256),
  large('get', 16),
  { ...large('get', 64), contenders: [raw, ...evenkeels] },
  large('set', 16),
  millionTimers,
  manyInFlight,
];

/** What the load loop costs by itself, beside every other figure. */
export const loopFloorScenario = scenario('canned', 'get', 256, {
  id: 'none/get/256',
  contenders: [loopFloor],
});

const servers: Server[] = ['memcached', 'canned'];
const multiGets = servers.flatMap((server) => [1, 16].map((depth) => scenario(server, 'getmany', depth)));

function matrix(operations: Operation[]): Scenario[] {
  return servers.flatMap((server) =>
    operations.flatMap((operation) => depths.map((depth) => scenario(server, operation, depth))),
  );
}

function distinct(scenarios: Scenario[]): Scenario[] {
  return [...new Map(scenarios.map((s) => [s.id, s])).values()];
}

export const sets: Record<string, Scenario[]> = {
  quick: [scenario('memcached', 'get', 1), scenario('memcached', 'get', 256), scenario('canned', 'get', 256)],
  targets: targetScenarios,
  fleet: fleetScenarios,
  core: distinct([...matrix(['get']), ...targetScenarios, ...multiGets, ...workloads]),
  full: distinct([...matrix(['get', 'set', 'mix']), ...targetScenarios, ...multiGets, ...workloads]),
};
