import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { RawClient } from './raw-client.mts';

/** A real memcached on a free loopback port. */
export interface Memcached extends AsyncDisposable {
  readonly port: number;
  /** Resolves when the process has ended, if that is what the signal is for. */
  signal(name: 'SIGKILL' | 'SIGTERM' | 'SIGSTOP' | 'SIGCONT'): Promise<void>;
}

/**
 * The background threads hold items now and then; a counter is then replaced instead of rewritten in place, and whether
 * its text is padded with spaces becomes a matter of luck.
 */
const deterministic = 'no_lru_maintainer,no_lru_crawler';

/**
 * Listens on `host` (default 127.0.0.1) and `port` (default: a free one), or on a Unix socket in a folder that everybody
 * may write to. `prefix`: a command that runs the rest of its arguments.
 */
export async function startMemcached(
  at: {
    host?: string;
    port?: number;
    path?: string;
    options?: readonly string[];
    env?: Record<string, string>;
    prefix?: readonly string[];
  } = {},
): Promise<Memcached> {
  const { host = '127.0.0.1', path, options = [], env = {}, prefix = [] } = at;
  const port = path === undefined ? (at.port ?? (await freePort(host))) : 0;
  const asRoot = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
  const where = path === undefined ? ['-l', host, '-p', String(port)] : ['-s', path];
  const args = [...asRoot, ...where, '-t', '1', '-o', deterministic, ...options];
  const [program = '', ...rest] = [...prefix, 'memcached', ...args];
  const child = spawn(program, rest, { stdio: 'ignore', env: { ...process.env, ...env } });
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  await listening(child, { port, path, host });
  const signal: Memcached['signal'] = async (name) => {
    child.kill(name);
    if (name === 'SIGKILL' || name === 'SIGTERM') await exited;
  };
  return { port, signal, [Symbol.asyncDispose]: () => signal('SIGKILL') };
}

function freePort(host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, host, () => {
      const address = probe.address();
      probe.close(() => {
        if (address !== null && typeof address === 'object') resolve(address.port);
        else reject(new Error('no port'));
      });
    });
  });
}

async function listening(
  child: ChildProcess,
  at: { port: number; path: string | undefined; host: string },
): Promise<void> {
  let failure: Error | undefined;
  child.once('error', (error) => {
    failure = error;
  });
  child.once('exit', (code) => {
    failure ??= new Error(`memcached ended with code ${code}`);
  });
  for (;;) {
    try {
      const client = await RawClient.connect(at);
      await client.close();
      return;
    } catch {
      if (failure !== undefined) throw failure;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}
