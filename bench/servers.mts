// The servers of a run, on free loopback ports. Each is the child of a small shell that ends it by its own pid when
// the pipe from this process closes: however the run ends, no server outlives it.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { AUTHORITY, SERVER, SERVER_KEY } from '../test/certificates.mts';
import { asServer } from './placement.mts';
import type { Scenario, Server } from './plan.mts';

export const host = '127.0.0.1';

/** What is started together. */
export interface Wanted {
  kind: Server | 'redis';
  count: number;
  tls: boolean;
  /** On another processor than the client. */
  apart: boolean;
}

export interface Started {
  ports: number[];
  /** Of their certificates, in PEM form, where connections are encrypted. */
  authority: string | undefined;
}

interface Running extends Started {
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

async function startGuarded(apart: boolean, command: (port: number) => string[]): Promise<Running> {
  const port = await freePort();
  const words = command(port);
  const guarded = ['-c', guard, 'guard', ...asServer(words, apart)];
  const child = spawn('sh', guarded, { stdio: ['pipe', 'ignore', 'ignore'] });
  const stop = stopper(child);
  for (let tries = 0; tries < 100; tries++) {
    if (await accepts(port)) return { ports: [port], authority: undefined, stop };
    await delay(50);
  }
  await stop();
  throw new Error(`${words[0]} does not accept connections`);
}

async function startMemcached(tls: boolean, apart: boolean): Promise<Running> {
  const identity = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
  const limits = ['-m', '1024', '-I', '4m'];
  const certificates = tls ? new Certificates() : undefined;
  try {
    const server = await startGuarded(apart, (port) => {
      const encrypted = certificates?.options ?? [];
      return ['memcached', '-t', '1', ...identity, '-l', host, '-p', `${port}`, ...limits, ...encrypted];
    });
    return { ...server, authority: tls ? AUTHORITY : undefined };
  } finally {
    certificates?.remove(); // the server has read them
  }
}

/** Files for a server that may run as somebody else. */
class Certificates {
  readonly #folder = mkdtempSync(join(tmpdir(), 'evenkeel-bench-'));

  get options(): string[] {
    chmodSync(this.#folder, 0o755);
    const [chain, key] = [join(this.#folder, 'chain.pem'), join(this.#folder, 'key.pem')];
    writeFileSync(chain, SERVER);
    writeFileSync(key, SERVER_KEY);
    return ['-Z', '-o', `ssl_chain_cert=${chain},ssl_key=${key}`];
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true });
  }
}

/** As many as one process each. */
async function startEach(count: number, start: () => Promise<Running>): Promise<Running> {
  const all = await Promise.all(Array.from({ length: count }, start));
  return {
    ports: all.flatMap(({ ports }) => ports),
    authority: all[0]?.authority,
    stop: async () => void (await Promise.all(all.map((each) => each.stop()))),
  };
}

function startRedis(apart: boolean): Promise<Running> {
  const volatile = ['--save', '', '--appendonly', 'no', '--dir', tmpdir()];
  return startGuarded(apart, (port) => ['redis-server', '--bind', host, '--port', `${port}`, ...volatile]);
}

/** The canned responder watches its own stdin and needs no guard. */
async function startCanned(
  apart: boolean,
  binary: string,
  valueSize: number,
  count: number,
): Promise<Running> {
  const command = [binary, '--value-size', `${valueSize}`, '--listeners', `${count}`];
  const [program = binary, ...words] = asServer(command, apart);
  const child = spawn(program, words, { stdio: ['pipe', 'pipe', 'inherit'] });
  const [line] = await once(child.stdout, 'data');
  const ports = String(line).trim().split(' ').map(Number);
  return { ports, authority: undefined, stop: stopper(child) };
}

export class Servers {
  readonly #cannedBinary: string;
  readonly #started = new Map<string, Promise<Running>>();

  constructor(cannedBinary: string) {
    this.#cannedBinary = cannedBinary;
  }

  /** Started at the first call; idle ones cost the others nothing. */
  start(wanted: Wanted): Promise<Started> {
    const name = JSON.stringify(wanted);
    const starting = this.#started.get(name) ?? this.#start(wanted);
    this.#started.set(name, starting);
    return starting;
  }

  of(kind: Server | 'redis', { servers, tls, apart }: Scenario): Promise<Started> {
    return this.start({ kind, count: servers, tls, apart });
  }

  async stop(): Promise<void> {
    const all = await Promise.allSettled(this.#started.values());
    await Promise.all(all.map((each) => (each.status === 'fulfilled' ? each.value.stop() : undefined)));
  }

  #start({ kind, count, tls, apart }: Wanted): Promise<Running> {
    if (kind === 'canned') return startCanned(apart, this.#cannedBinary, 100, count);
    return startEach(count, () => (kind === 'redis' ? startRedis(apart) : startMemcached(tls, apart)));
  }
}
