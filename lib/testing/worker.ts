import { parentPort, workerData } from 'node:worker_threads';
import { type CallMessage, type ReplyMessage, sentError } from './messages';
import type { ServerOptions } from './operations';
import { LocalServer } from './server';

/** Entry of the worker thread: a server here, told what to do by messages. */
async function main(): Promise<void> {
  const port = parentPort;
  if (port === null) throw new Error('This file is the entry of a worker thread');
  const reply = (message: ReplyMessage): void => port.postMessage(message);
  let server: LocalServer;
  try {
    server = await LocalServer.start(workerData as ServerOptions);
  } catch (error) {
    reply({ kind: 'failed', error: sentError(error) });
    return;
  }
  port.on('message', ({ id, name, args }: CallMessage) => {
    const operation = server[name] as (...args: unknown[]) => Promise<unknown>;
    operation.apply(server, args).then(
      (result) => reply({ kind: 'result', id, result }),
      (error) => reply({ kind: 'error', id, error: sentError(error) }),
    );
  });
  reply({ kind: 'started', address: server.address });
}

void main();
