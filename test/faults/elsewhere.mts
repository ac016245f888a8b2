// Runs a function in a process or a worker of its own. It travels as text, so it sees nothing but its arguments.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';

const dist = fileURLToPath(new URL('../../dist', import.meta.url));

export interface Elsewhere {
  readonly evenkeel: typeof import('../../lib/index.ts');
  readonly testing: typeof import('../../lib/testing/index.ts');
  readonly addon: typeof import('../../lib/native/load.ts');
  readonly net: typeof import('node:net');
  readonly workers: typeof import('node:worker_threads');
  /** Writes a line at once, whatever happens to the process next. */
  readonly say: (line: string) => void;
  /** Becomes another user, who need not be able to read the checkout. */
  readonly become: (uid: number) => void;
}

export type Body<Argument> = (elsewhere: Elsewhere, argument: Argument) => unknown;

function source<Argument>(body: Body<Argument>, argument: Argument): string {
  return `
    globalThis.__name = (each) => each; // what the TypeScript compiler wraps named functions in
    const elsewhere = {
      evenkeel: require(${JSON.stringify(`${dist}/index.js`)}),
      testing: require(${JSON.stringify(`${dist}/testing/index.js`)}),
      addon: require(${JSON.stringify(`${dist}/native/load.js`)}),
      net: require('node:net'),
      workers: require('node:worker_threads'),
      say: (line) => require('node:fs').writeSync(1, line + '\\n'),
      become: (uid) => {
        elsewhere.addon.loadAddon();
        require(${JSON.stringify(`${dist}/engines/embedded/lmdb.js`)}).loadLmdb();
        process.setuid(uid);
      },
    };
    Promise.resolve((${body.toString()})(elsewhere, ${JSON.stringify(argument ?? null)})).catch((error) => {
      setImmediate(() => { throw error; });
    });
  `;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly lines: readonly string[];
  readonly stderr: string;
  readonly milliseconds: number;
}

/** Runs the function in a new process, whose shell is prepared by `prelude`; resolves when that has ended, within `limit` ms. */
export function inProcess<Argument = undefined>(
  body: Body<Argument>,
  argument?: Argument,
  prelude = ':',
  limit = 60_000,
): Promise<Ended> {
  const began = performance.now();
  const command = `${prelude}; exec "$0" -e "$1"`;
  const child = spawn('sh', ['-c', command, process.execPath, source(body, argument as Argument)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk;
  });
  // One that would never end is a failure, not a hang of the suite.
  const timer = setTimeout(() => child.kill('SIGKILL'), limit);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      const lines = stdout.split('\n').filter((line) => line !== '');
      resolve({ code, signal, lines, stderr, milliseconds: performance.now() - began });
    });
  });
}

/** Runs the function in a new worker thread of this process. */
export function inWorker<Argument = undefined>(body: Body<Argument>, argument?: Argument): Worker {
  return new Worker(source(body, argument as Argument), { eval: true });
}

/** The worker's next message; rejects when it ends or fails before. */
export function messageOf<Message>(worker: Worker): Promise<Message> {
  return new Promise((resolve, reject) => {
    const stop = (act: () => void) => {
      worker.off('message', onMessage).off('error', onError).off('exit', onExit);
      act();
    };
    const onMessage = (message: Message) => stop(() => resolve(message));
    const onError = (error: Error) => stop(() => reject(error));
    const onExit = (code: number) => stop(() => reject(new Error(`the worker ended with code ${code}`)));
    worker.on('message', onMessage).on('error', onError).on('exit', onExit);
  });
}
