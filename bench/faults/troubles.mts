// What befalls one of three servers, and how it ends.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { RemoteServer } from '../../test/faults/partition.mts';
import type { Weather } from '../../test/faults/proxy.mts';
import { ServerProcess } from '../../test/faults/servers.mts';

/** A server to which it can happen. */
export interface Victim extends AsyncDisposable {
  readonly name: string;
  begin(): Promise<void>;
  end(): Promise<void>;
}

export interface Trouble {
  readonly id: string;
  readonly title: string;
  /** Between begin() and end(). */
  readonly seconds: number;
  start(): Promise<Victim>;
}

function process(
  id: string,
  title: string,
  seconds: number,
  begin: (server: ServerProcess) => Promise<void>,
  end: (server: ServerProcess) => Promise<void>,
): Trouble {
  const start = async (): Promise<Victim> => {
    const server = await ServerProcess.start();
    return {
      name: server.name,
      begin: () => begin(server),
      end: () => end(server),
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  };
  return { id, title, seconds, start };
}

const proxyProcess = fileURLToPath(new URL('./proxy-process.mts', import.meta.url));

/** A proxy in another process. */
function network(id: string, title: string, weather: Partial<Weather>): Trouble {
  const start = async (): Promise<Victim> => {
    const server = await ServerProcess.start();
    const proxy = fork(proxyProcess, [`${server.port}`]);
    const [port] = await once(proxy, 'message');
    return {
      name: `127.0.0.1:${port}`,
      begin: async () => void proxy.send(weather),
      end: async () => void proxy.send({}),
      async [Symbol.asyncDispose]() {
        proxy.disconnect();
        await once(proxy, 'exit');
        await server[Symbol.asyncDispose]();
      },
    };
  };
  return { id, title, seconds: 3, start };
}

const partition: Trouble = {
  id: 'partition',
  title: 'its packets are dropped, both ways',
  seconds: 5,
  async start() {
    const server = await RemoteServer.start();
    return {
      name: server.name,
      begin: async () => server.cut(),
      end: async () => server.heal(),
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  },
};

export const troubles: readonly Trouble[] = [
  process(
    'kill',
    '`kill -9`; back at its port after 3 s',
    3,
    (server) => server.signal('SIGKILL'),
    (server) => server.startAgain(),
  ),
  process(
    'restart',
    'ended and started again at once',
    1,
    async (server) => {
      await server.signal('SIGTERM');
      await server.startAgain();
    },
    async () => {},
  ),
  process(
    'suspend',
    'suspended (SIGSTOP) for 5 s',
    5,
    (server) => server.signal('SIGSTOP'),
    (server) => server.signal('SIGCONT'),
  ),
  partition,
  network('silence', 'accepts, and says nothing', { lost: 1 }),
  network('delay', 'each answer is late by up to 40 ms', { delayed: 1 }),
  network('bytes', 'each byte comes by itself', { crumbled: 1 }),
  network('throttle', 'a line of 100 kB a second', { bytesPerSecond: 100_000 }),
  network('reset', 'its connections are reset, each read in a hundred', { reset: 0.01 }),
  network('cut', 'its connections end within an answer, each read in a hundred', { cut: 0.01 }),
];
