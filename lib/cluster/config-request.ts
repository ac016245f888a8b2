import { connect as connectSocket, isIP, type Socket } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { AuthenticationError } from '../errors';
import { nameOfServer, type ServerAddress } from './connection-string';
import type { Credentials } from './credentials';
import { type ClusterConfig, parseClusterConfig } from './discovery';
import type { Timers } from './resolver';

import tls = require('node:tls');

/** How servers are asked for the list of all servers. */
export interface ConfigRequest {
  /** undefined: connections are not encrypted. */
  readonly tls: ConnectionOptions | undefined;
  /** For a server that asks. */
  readonly credentials: Credentials | undefined;
  /** ms for one server. */
  readonly timeout: number;
  readonly timers: Timers;
}

const MOST_BYTES = 1 << 18;
/** The command, and how servers before 1.4.14 are asked, which do not know it. */
const QUESTIONS = ['config get cluster', 'get AmazonElastiCache:cluster'] as const;

/** What a server is being asked. */
export interface Question {
  /** Rejects with what went wrong, in words that name no server. */
  readonly answer: Promise<ClusterConfig>;
  /** Nobody wants to know any more: the answer rejects for `reason`, if it has not come. */
  cancel(reason: Error): void;
}

/** Asks one server in the text protocol, which all of them speak, over a connection for this question. */
export function askConfig(server: ServerAddress, request: ConfigRequest): Question {
  let cancel: Question['cancel'] = () => {};
  const answer = new Promise<ClusterConfig>((resolve, reject) => {
    const socket = openSocket(server, request.tls);
    let asked = 0;
    let said = '';
    const ask = (): void => void socket.write(`${QUESTIONS[asked]}\r\n`);
    // The password is for those only who ask: others would store it.
    let isLoginOpen = true;
    const logIn = (): void => {
      const { credentials } = request;
      if (credentials === undefined)
        throw new AuthenticationError('the server wants authentication: give a username and a password');
      if (!isLoginOpen) throw new AuthenticationError('the server refuses the credentials');
      isLoginOpen = false;
      const token = `${credentials.username} ${credentials.password}`;
      socket.write(`set login 0 0 ${Buffer.byteLength(token)}\r\n${token}\r\n`);
    };
    const end = (conclude: () => void): void => {
      timer.cancel();
      socket.destroy();
      conclude();
    };
    const fail = (error: Error): void => end(() => reject(error));
    cancel = fail;
    const timer = request.timers.timer(request.timeout, () =>
      fail(new Error(`no answer within ${request.timeout} ms`)),
    );
    const look = (): void => {
      const answer = readConfigAnswer(said);
      if (answer === 'unfinished') {
        if (said.length > MOST_BYTES) throw new Error('the answer has no end');
        return;
      }
      said = '';
      if (answer === 'unauthenticated') {
        logIn();
      } else if (answer === 'stored') {
        if (isLoginOpen) throw new Error('not understood: "STORED"');
        ask();
      } else if (answer !== 'unknown') {
        const config = parseClusterConfig(Buffer.from(answer.value, 'latin1').toString());
        end(() => resolve(config));
      } else if (++asked < QUESTIONS.length) {
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
  return { answer, cancel };
}

function openSocket(server: ServerAddress, options: ConnectionOptions | undefined): Socket {
  if (options === undefined) return connectSocket(server);
  // By the rule of TLS an address is no name that could be asked for.
  const usual = 'path' in server || isIP(server.host) !== 0 ? undefined : server.host;
  const servername = options.servername ?? usual;
  return tls.connect({ ...options, ...server, ...(servername !== undefined && { servername }) });
}

type ConfigAnswer = { readonly value: string } | 'unfinished' | 'unknown' | 'unauthenticated' | 'stored';

/**
 * `CONFIG cluster <flags> <length>` or `VALUE <key> <flags> <length>`, then a value (here in latin1) and END. 'unknown': it has
 * none, or does not know the command. 'unauthenticated': it wants a login, or another one; 'stored': it has taken it. Throws
 * for anything else.
 */
export function readConfigAnswer(said: string): ConfigAnswer {
  const lineEnd = said.indexOf('\r\n');
  if (lineEnd === -1) return 'unfinished';
  const line = said.slice(0, lineEnd);
  if (line === 'END' || line.startsWith('ERROR')) return 'unknown';
  if (line === 'STORED') return 'stored';
  if (/^CLIENT_ERROR (?:unauthenticated|authentication failure)$/.test(line)) return 'unauthenticated';
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
