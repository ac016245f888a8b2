import { parentPort } from 'node:worker_threads';
import { type CallMessage, type ReplyMessage, sentError } from './messages';
import type { Call, Operations } from './operations';

/** In a worker thread: starts something there, whose operations the other thread may call from then on. */
export async function serveCalls<Of extends Operations<Of>, Started>(
  start: () => Promise<{ readonly call: Call<Of>; readonly started: Started }>,
): Promise<void> {
  const port = parentPort;
  if (port === null) throw new Error('This file is the entry of a worker thread');
  const reply = (message: ReplyMessage<Started>): void => port.postMessage(message);
  try {
    const { call, started } = await start();
    port.on('message', ({ id, name, args }: CallMessage) => {
      const settled: Promise<unknown> = call(name as keyof Of, ...(args as Parameters<Of[keyof Of]>));
      settled.then(
        (result) => reply({ kind: 'result', id, result }),
        (error) => reply({ kind: 'error', id, error: sentError(error) }),
      );
    });
    reply({ kind: 'started', started });
  } catch (error) {
    reply({ kind: 'failed', error: sentError(error) });
  }
}
