// The servers of a run, on free loopback ports. Each is the child of a small shell that ends it by its own pid when
// the pipe from this process closes: however the run ends, no server outlives it.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { asServer } from './placement.mts';
import type { Server } from './plan.mts';

export const host = '127.0.0.1';

interface Started {
  port: number;
  stop(): Promise<void>;
}

// An interrupt reaches the whole process group; the guard leaves it to the run, whose end closes the pipe.
const guard = 'trap "" INT; "$@" & child=$!; cat >/dev/null; kill "$child"; wait "$child"';

function stopper(child: ChildProcess): () => Promise<void> {
  return async () => {
    if (child.exitCode !== null) return;
    const ended = once(child, 'exit');
    child.stdin?.end();
    await ended;
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, host);
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  return address.port;
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, host);
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

async function startGuarded(apart: boolean, command: (port: number) => string[]): Promise<Started> {
  const port = await freePort();
  const words = command(port);
  const guarded = ['-c', guard, 'guard', ...asServer(words, apart)];
  const child = spawn('sh', guarded, { stdio: ['pipe', 'ignore', 'ignore'] });
  const stop = stopper(child);
  for (let tries = 0; tries < 100; tries++) {
    if (await accepts(port)) return { port, stop };
    await delay(50);
  }
  await stop();
  throw new Error(`${words[0]} does not accept connections`);
}

function startMemcached(apart: boolean): Promise<Started> {
  const identity = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
  const limits = ['-m', '1024', '-I', '4m'];
  return startGuarded(apart, (port) => {
    return ['memcached', '-t', '1', ...identity, '-l', host, '-p', `${port}`, ...limits];
  });
}

function startRedis(apart: boolean): Promise<Started> {
  const volatile = ['--save', '', '--appendonly', 'no', '--dir', tmpdir()];
  return startGuarded(apart, (port) => ['redis-server', '--bind', host, '--port', `${port}`, ...volatile]);
}

/** The canned responder watches its own stdin and needs no guard. */
async function startCanned(apart: boolean, binary: string, valueSize: number): Promise<Started> {
  const [program = binary, ...words] = asServer([binary, '--value-size', `${valueSize}`], apart);
  const child = spawn(program, words, { stdio: ['pipe', 'pipe', 'inherit'] });
  const [line] = await once(child.stdout, 'data');
  return { port: Number(String(line).trim()), stop: stopper(child) };
}

export class Servers {
  readonly #cannedBinary: string;
  readonly #started = new Map<string, Promise<Started>>();

  constructor(cannedBinary: string) {
    this.#cannedBinary = cannedBinary;
  }

  /** Started at the first call; an idle one costs the others nothing. */
  async port(kind: Server | 'redis', apart: boolean): Promise<number> {
    const name = `${kind} ${apart}`;
    const starting = this.#started.get(name) ?? this.#start(kind, apart);
    this.#started.set(name, starting);
    return (await starting).port;
  }

  async stop(): Promise<void> {
    const all = await Promise.allSettled(this.#started.values());
    await Promise.all(all.map((each) => (each.status === 'fulfilled' ? each.value.stop() : undefined)));
  }

  #start(kind: Server | 'redis', apart: boolean): Promise<Started> {
    if (kind === 'memcached') return startMemcached(apart);
    return kind === 'redis' ? startRedis(apart) : startCanned(apart, this.#cannedBinary, 100);
  }
}
