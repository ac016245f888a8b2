// Runs one measurement in a child process of its own and reads its JSON line.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Built } from './build.mts';
import type { LoadRequest, Measurement } from './measurement.mts';
import { asClient } from './placement.mts';
import { loopFloor, orientation, raw, type Scenario, type Server } from './plan.mts';
import { host, type Started } from './servers.mts';

const run = promisify(execFile);

async function output(command: string[], apart: boolean): Promise<string> {
  const [program = '', ...words] = asClient(command, apart);
  return (await run(program, words)).stdout;
}

/** The servers of a scenario, asked for when it needs them. */
export type ServersOf = (kind: Server | 'redis', scenario: Scenario) => Promise<Started>;

export interface Span {
  warmupSeconds: number;
  seconds: number;
}

export class Runner {
  readonly #built: Built;
  readonly #serversOf: ServersOf;
  readonly #preloaded = new Set<string>();

  constructor(built: Built, serversOf: ServersOf) {
    this.#built = built;
    this.#serversOf = serversOf;
  }

  async measure(contender: string, scenario: Scenario, span: Span): Promise<Measurement> {
    if (contender === raw) return this.#measureRaw(scenario, span);
    const request = await this.#request(contender, scenario, span);
    const stored = `${contender} ${request.ports} ${request.keyPrefix}`;
    if (request.stores && scenario.operation !== 'replay' && !this.#preloaded.has(stored)) {
      // Its own process: the measured one must never have held what it is going to read.
      await this.#child({ ...request, preload: true }, false);
      this.#preloaded.add(stored);
    }
    return JSON.parse(await this.#child(request, scenario.apart));
  }

  #child(request: LoadRequest, apart: boolean): Promise<string> {
    return output([process.execPath, '--expose-gc', this.#built.loadChild, JSON.stringify(request)], apart);
  }

  async #request(contender: string, scenario: Scenario, span: Span): Promise<LoadRequest> {
    const server = contender === orientation ? 'redis' : scenario.server;
    const { ports, authority } =
      contender === loopFloor ? { ports: [], authority: undefined } : await this.#serversOf(server, scenario);
    return {
      contender,
      host,
      ports,
      authority,
      preload: false,
      operation: scenario.operation,
      depth: scenario.depth,
      batch: scenario.batch,
      keyPrefix: keyPrefix(contender, scenario),
      keyCount: scenario.keyCount,
      valueSize: scenario.valueSize,
      stores: server !== 'canned' && contender !== loopFloor,
      workload: scenario.workload,
      pendingTimers: scenario.pendingTimers,
      ...span,
    };
  }

  async #measureRaw(scenario: Scenario, span: Span): Promise<Measurement> {
    const { ports } = await this.#serversOf(scenario.server, scenario);
    const options: Record<string, string | number> = {
      port: ports[0] ?? 0,
      depth: scenario.depth,
      op: scenario.operation,
      batch: scenario.batch,
      keys: scenario.keyCount,
      'value-size': scenario.valueSize,
      prefix: keyPrefix(raw, scenario),
      warmup: span.warmupSeconds,
      seconds: span.seconds,
    };
    const words = Object.entries(options).flatMap(([name, value]) => [`--${name}`, `${value}`]);
    const stdout = await output([this.#built.rawClient, ...words], scenario.apart);
    const answer: Record<
      'ops' | 'seconds' | 'cpu_us' | 'p50_us' | 'p99_us' | 'idle_rss' | 'peak_rss',
      number
    > = JSON.parse(stdout);
    return {
      operations: answer.ops,
      seconds: answer.seconds,
      operationsPerSecond: answer.ops / answer.seconds,
      cpuPerOperation: answer.cpu_us / answer.ops,
      p50: answer.p50_us,
      p99: answer.p99_us,
      idleRss: answer.idle_rss,
      peakRss: answer.peak_rss,
    };
  }
}

/** Each contender reads what it wrote itself: the flags beside a value are the client's own. */
function keyPrefix(contender: string, scenario: Scenario): string {
  const initials = contender.replace(/[^a-z]/g, '').slice(0, 5) + contender.length;
  return `${initials}-${scenario.valueSize >= 1 << 20 ? 'm' : 's'}`;
}
