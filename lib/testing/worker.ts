import { workerData } from 'node:worker_threads';
import { callsOf, type ServerOperations, type ServerOptions } from './operations';
import { LocalServer } from './server';
import { serveCalls } from './worker-side';

/** Entry of the worker thread of a memcached server. */
void serveCalls(async () => {
  const server = await LocalServer.start(workerData as ServerOptions);
  return { call: callsOf<ServerOperations>(server), started: server.address };
});
