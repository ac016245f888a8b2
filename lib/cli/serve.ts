import type { Command } from 'commander';
import { startServer } from '../testing';
import { integerBetween } from './options';
import { print } from './output';

interface ServeOptions {
  readonly port: number;
  readonly host: string;
  readonly path?: string;
  readonly maxItemBytes?: number;
  readonly maxConnections?: number;
  readonly untilStdinCloses?: boolean;
}

export function addServe(program: Command): void {
  program
    .command('serve')
    .description('run the memcached test server; prints its url when it listens')
    .option('-p, --port <n>', '0 takes a free one', integerBetween(0, 65_535), 11_211)
    .option('--host <address>', 'to listen at', '127.0.0.1')
    .option('--path <socket>', 'listen at a Unix socket instead')
    .option('--max-item-bytes <n>', 'largest value it stores', integerBetween(1, 1024 * 1024 * 1024))
    .option('--max-connections <n>', 'open at a time (default: 1024)', integerBetween(1, 1_000_000))
    .option('--until-stdin-closes', 'end at the end of stdin, too')
    .action(serve);
}

async function serve(options: ServeOptions): Promise<void> {
  const { port, host, path, maxItemBytes, maxConnections } = options;
  const server = await startServer({
    ...(path === undefined ? { port, host } : { path }),
    maxItemBytes,
    maxConnections,
  });
  const ended = new Promise<void>((resolve) => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
    if (options.untilStdinCloses)
      process.stdin
        .once('end', resolve)
        .once('error', () => resolve())
        .resume();
  });
  // Printed last, because the reader of this line may send a signal at once.
  print(`${server.url}\n`);
  await ended;
  await server.close();
  process.stdin.destroy();
}
