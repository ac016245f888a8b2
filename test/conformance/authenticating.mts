import { spawnSync } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Credentials } from '../../lib/testing/index.ts';
import { type Memcached, startMemcached } from './memcached.mts';

/** A real memcached that wants authentication: with `-Y` over its text protocols, with `-S` over the binary one. */
export async function startAuthenticating(
  how: '-Y' | '-S',
  { username, password }: Credentials,
): Promise<Memcached> {
  const folder = await mkdtemp(join(tmpdir(), 'evenkeel-'));
  try {
    await chmod(folder, 0o755);
    const path = join(folder, 'users');
    const options = how === '-Y' ? [how, path] : [how];
    if (how === '-Y') {
      await writeFile(path, `other:password\n${username}:${password}\n`, { mode: 0o644 });
    } else {
      await writeFile(join(folder, 'memcached.conf'), `mech_list: plain\nsasldb_path: ${path}\n`);
      const made = spawnSync('saslpasswd2', ['-p', '-c', '-f', path, '-u', hostname(), username], {
        input: password,
      });
      if (made.status !== 0) throw new Error(`saslpasswd2: ${made.stderr}`);
      await chmod(path, 0o644);
    }
    const server = await startMemcached({ options, env: { SASL_CONF_PATH: folder } });
    return {
      ...server,
      async [Symbol.asyncDispose]() {
        await server[Symbol.asyncDispose]();
        await rm(folder, { recursive: true });
      },
    };
  } catch (error) {
    await rm(folder, { recursive: true });
    throw error;
  }
}
