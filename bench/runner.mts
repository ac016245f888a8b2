// Runs one measurement in a child process of its own and reads its JSON line.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Built } from './build.mts';
import type { LoadRequest, Measurement } from './measurement.mts';
import { asClient } from './placement.mts';
import { loopFloor, orientation, raw, type Scenario, type Server } from './plan.mts';
import { host } from './servers.mts';

const run = promisify(execFile);

async function output(command: string[], apart: boolean): Promise<string> {
  const [program = '', ...words] = asClient(command, apart);
  return (await run(program, words)).stdout;
}

/** The port of each kind of server, asked for when a scenario needs it. */
export type PortOf = (server: Server | 'redis', apart: boolean) => Promise<number>;

export interface Span {
  warmupSeconds: number;
  seconds: number;
}

export class Runner {
  readonly #built: Built;
  readonly #portOf: PortOf;
  readonly #preloaded = new Set<string>();

  constructor(built: Built, portOf: PortOf) {
    this.#built = built;
    this.#portOf = portOf;
  }

  async measure(contender: string, scenario: Scenario, span: Span): Promise<Measurement> {
    if (contender === raw) return this.#measureRaw(scenario, span);
    const request = await this.#request(contender, scenario, span);
    const stored = `${contender} ${request.port} ${request.keyPrefix}`;
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
    return {
      contender,
      host,
      port: contender === loopFloor ? 0 : await this.#portOf(server, scenario.apart),
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
    const options: Record<string, string | number> = {
      port: await this.#portOf(scenario.server, scenario.apart),
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
