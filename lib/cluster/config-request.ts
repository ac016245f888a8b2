import { connect as connectSocket, isIP, type Socket } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { nameOfServer, type ServerAddress } from './connection-string';
import { type ClusterConfig, parseClusterConfig } from './discovery';
import type { Timers } from './resolver';

import tls = require('node:tls');

/** How servers are asked for the list of all servers. */
export interface ConfigRequest {
  /** undefined: connections are not encrypted. */
  readonly tls: ConnectionOptions | undefined;
  /** ms for one server. */
  readonly timeout: number;
  readonly timers: Timers;
}

const MOST_BYTES = 1 << 18;
/** The command, and how servers before 1.4.14 are asked, which do not know it. */
const QUESTIONS = ['config get cluster', 'get AmazonElastiCache:cluster'] as const;

/**
 * Asks one server in the text protocol, which all of them speak, over a connection for this question. Rejects with what
 * went wrong, in words that name no server.
 */
export function requestConfig(server: ServerAddress, request: ConfigRequest): Promise<ClusterConfig> {
  return new Promise((resolve, reject) => {
    const socket = openSocket(server, request.tls);
    let asked = 0;
    let said = '';
    const ask = (): void => void socket.write(`${QUESTIONS[asked++]}\r\n`);
    const end = (conclude: () => void): void => {
      timer.cancel();
      socket.destroy();
      conclude();
    };
    const fail = (error: Error): void => end(() => reject(error));
    const timer = request.timers.timer(request.timeout, () =>
      fail(new Error(`no answer within ${request.timeout} ms`)),
    );
    const look = (): void => {
      const answer = readConfigAnswer(said);
      if (answer === 'unfinished') {
        if (said.length > MOST_BYTES) throw new Error('the answer has no end');
      } else if (answer !== 'unknown') {
        const config = parseClusterConfig(Buffer.from(answer.value, 'latin1').toString());
        end(() => resolve(config));
      } else if (asked < QUESTIONS.length) {
        said = '';
        ask();
      } else {
        throw new Error('it has no list of servers');
      }
    };
    // It keeps no process alive: whoever waits for the answer does.
    socket.unref().setEncoding('latin1');
    socket.on('error', fail);
    socket.on('close', () => fail(new Error('the server closed the connection')));
    socket.on('data', (text: string) => {
      said += text;
      try {
        look();
      } catch (error) {
        fail(error as Error);
      }
    });
    ask();
  });
}

function openSocket(server: ServerAddress, options: ConnectionOptions | undefined): Socket {
  if (options === undefined) return connectSocket(server);
  // By the rule of TLS an address is no name that could be asked for.
  const usual = 'path' in server || isIP(server.host) !== 0 ? undefined : server.host;
  const servername = options.servername ?? usual;
  return tls.connect({ ...options, ...server, ...(servername !== undefined && { servername }) });
}

/**
 * `CONFIG cluster <flags> <length>` or `VALUE <key> <flags> <length>`, then a value (here in latin1) and END. 'unknown': it has
 * none, or does not know the command. Throws for anything else.
 */
export function readConfigAnswer(said: string): { readonly value: string } | 'unfinished' | 'unknown' {
  const lineEnd = said.indexOf('\r\n');
  if (lineEnd === -1) return 'unfinished';
  const line = said.slice(0, lineEnd);
  if (line === 'END' || line.startsWith('ERROR')) return 'unknown';
  const length = /^(?:CONFIG cluster|VALUE \S+) \d+ (\d{1,6})$/.exec(line)?.[1];
  if (length === undefined) throw new Error(`not understood: ${JSON.stringify(line.slice(0, 100))}`);
  const begin = lineEnd + 2;
  const end = begin + Number(length);
  const rest = said.slice(end);
  if (said.length < end || rest.length < '\r\nEND\r\n'.length) return 'unfinished';
  if (!rest.startsWith('\r\nEND\r\n')) throw new Error('not understood: the value has another length');
  return { value: said.slice(begin, end) };
}

/** For messages. */
export const namesOf = (servers: readonly ServerAddress[]): string => servers.map(nameOfServer).join(', ');
