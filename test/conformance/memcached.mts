import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { RawClient } from './raw-client.mts';

/** A real memcached on a free loopback port. */
export interface Memcached extends AsyncDisposable {
  readonly port: number;
}

/**
 * The background threads hold items now and then; a counter is then replaced instead of rewritten in place, and whether
 * its text is padded with spaces becomes a matter of luck.
 */
const deterministic = 'no_lru_maintainer,no_lru_crawler';

/** Listens on `host` (default 127.0.0.1), or on a Unix socket in a folder that everybody may write to. */
export async function startMemcached(
  at: { host?: string; path?: string; options?: readonly string[]; env?: Record<string, string> } = {},
): Promise<Memcached> {
  const { host = '127.0.0.1', path, options = [], env = {} } = at;
  const port = path === undefined ? await freePort(host) : 0;
  const asRoot = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
  const where = path === undefined ? ['-l', host, '-p', String(port)] : ['-s', path];
  const args = [...asRoot, ...where, '-t', '1', '-o', deterministic, ...options];
  const child = spawn('memcached', args, { stdio: 'ignore', env: { ...process.env, ...env } });
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  await listening(child, { port, path, host });
  return {
    port,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exited;
    },
  };
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
