// `npm run bench:compare -- <folder>`: what an operation costs in CPU in this checkout, beside another one. See README.md.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from './build.mts';
import { host, Servers } from './servers.mts';
import type { SliceRequest } from './slices.mts';

const LIMIT = 1.03;

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    operation: { type: 'string', default: 'get' },
    base: { type: 'string', default: 'host' },
    depth: { type: 'string', default: '256' },
    'value-size': { type: 'string', default: '100' },
    slice: { type: 'string', default: '40000' },
    pairs: { type: 'string', default: '12' },
    processes: { type: 'string', default: '5' },
  },
});

/** One checkout's process. */
class Load {
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;

  constructor(program: string, request: SliceRequest) {
    const child = spawn(process.execPath, [program, JSON.stringify(request)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#child = child;
    this.#answers = createInterface(child.stdout)[Symbol.asyncIterator]();
  }

  /** µs of CPU an operation. */
  async slice(count: number): Promise<number> {
    this.#child.stdin?.write(`${count}\n`);
    return this.answer();
  }

  async answer(): Promise<number> {
    const { value, done } = await this.#answers.next();
    if (done) throw new Error('the load has failed');
    return Number(value);
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.stdin?.end();
    await ended;
  }
}

/** The pairs of two processes; what V8 makes of the code, and where memory lies, differs between processes. */
async function measure(loads: [Load, Load], pairs: number, slice: number): Promise<[number, number][]> {
  const [other, own] = loads;
  const measured: [number, number][] = [];
  for (const load of loads) await load.answer();
  for (const load of loads) {
    await load.slice(slice);
    await load.slice(slice);
  }
  for (let pair = 0; pair < pairs; pair += 1) {
    if (pair % 2 === 0) {
      const before = await other.slice(slice);
      measured.push([before, await own.slice(slice)]);
    } else {
      const now = await own.slice(slice);
      measured.push([await other.slice(slice), now]);
    }
  }
  return measured;
}

const median = (values: number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

function report(pairs: [number, number][]): number {
  const others = pairs.map(([other]) => other);
  const owns = pairs.map(([, own]) => own);
  const row = (name: string, ...figures: number[]) =>
    console.log(name.padEnd(8), ...figures.map((figure) => figure.toFixed(3).padStart(8)));
  console.log('         ', 'median', ' minimum');
  row('other', median(others), Math.min(...others));
  row('this', median(owns), Math.min(...owns));
  row('ratio', median(owns) / median(others), Math.min(...owns) / Math.min(...others));
  const ratio = median(pairs.map(([other, own]) => own / other));
  console.log(`${ratio.toFixed(3)} is the median of ${pairs.length} pairs`);
  return ratio;
}

async function main(folder: string): Promise<void> {
  const built = build();
  const servers = new Servers(built.cannedServer);
  try {
    const { ports } = await servers.start({ kind: 'memcached', count: 1, tls: false, apart: false });
    const url = `memcached://${host}:${ports[0]}`;
    const open = (checkout: string): Load =>
      new Load(built.slices, {
        checkout,
        url,
        operation: options.operation,
        base: options.base,
        depth: Number(options.depth),
        valueSize: Number(options['value-size']),
      });
    const all: [number, number][] = [];
    for (let i = 0; i < Number(options.processes); i += 1) {
      const loads: [Load, Load] = [
        open(resolve(folder)),
        open(fileURLToPath(new URL('..', import.meta.url))),
      ];
      try {
        all.push(...(await measure(loads, Number(options.pairs), Number(options.slice))));
      } finally {
        for (const load of loads) await load.stop();
      }
    }
    console.log(`µs of CPU for a ${options.operation}, ${options.depth} in flight, ${options.base} base`);
    if (report(all) > LIMIT) process.exitCode = 1;
  } finally {
    await servers.stop();
  }
}

const [folder, ...more] = positionals;
if (folder === undefined || more.length > 0) {
  console.error('usage: npm run bench:compare -- <folder of the other checkout> [--operation get|set] …');
  process.exitCode = 2;
} else {
  await main(folder);
}
