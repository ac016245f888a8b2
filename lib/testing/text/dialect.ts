import type { CommandContext } from '../commands';
import type { Dialect } from '../dialect';
import { Status, statusBody } from '../protocol';
import type { Session } from '../requests';
import type { TextRequest } from './plan';

const UNASKED_OPAQUE = 'deadbeef';

/** The classic text protocol of memcached and, on the same connections, the meta protocol. Opaques are hexadecimal here. */
export function textDialect(context: CommandContext, session: Session): Dialect<TextRequest> {
  return {
    execute: (request) => {
      const { plan, block, isWhole } = request;
      plan.run(context, { block, isWhole, session });
      return plan.ends ? 'stop' : 'continue';
    },
    knows: (action, { plan }) => {
      if (action.kind === 'wrongOpaque') return plan.meta?.opaque !== undefined;
      return action.kind !== 'header';
    },
    withOpaque: ({ plan }, answer, opaque) => {
      const own = plan.meta?.opaque ?? '';
      const other = (opaque ?? (/^[\da-f]+$/.test(own) ? ~Number.parseInt(own, 16) >>> 0 : 0)).toString(16);
      const end = Math.max(0, answer.indexOf('\r\n'));
      const line = answer
        .toString('latin1', 0, end)
        .split(' ')
        .map((word) => (word === `O${own}` ? `O${other}` : word));
      return Buffer.concat([Buffer.from(line.join(' '), 'latin1'), answer.subarray(end)]);
    },
    withHeader: (answer) => answer,
    refusal: ({ plan }, status, body) => {
      const line =
        body ?? (plan.meta && META_LINES[status]?.(plan.meta)) ?? CLASSIC_LINES[status] ?? other(status);
      return Buffer.concat([Buffer.from(line), Buffer.from('\r\n')]);
    },
    announcement: ({ plan }, bytes) =>
      Buffer.from(
        plan.meta ? `VA ${bytes}${plan.meta.echo}\r\n` : `VALUE ${plan.keys[0] ?? ''} 0 ${bytes}\r\n`,
        'latin1',
      ),
    unasked: ({ plan }) => Buffer.from(plan.meta ? `HD O${UNASKED_OPAQUE}\r\n` : 'STORED\r\n'),
  };
}

const CLASSIC_LINES: Readonly<Record<number, string>> = {
  [Status.success]: 'STORED',
  [Status.keyNotFound]: 'NOT_FOUND',
  [Status.keyExists]: 'EXISTS',
  [Status.tooLarge]: 'SERVER_ERROR object too large for cache',
  [Status.invalidArguments]: 'CLIENT_ERROR bad command line format',
  [Status.notStored]: 'NOT_STORED',
  [Status.nonNumeric]: 'CLIENT_ERROR cannot increment or decrement non-numeric value',
  [Status.authError]: 'CLIENT_ERROR unauthenticated',
  [Status.unknownCommand]: 'ERROR',
  [Status.outOfMemory]: 'SERVER_ERROR out of memory storing object',
};

type Line = (meta: { readonly echo: string; readonly miss: string }) => string;

const META_LINES: Readonly<Record<number, Line>> = {
  [Status.success]: ({ echo }) => `HD${echo}`,
  [Status.keyNotFound]: ({ echo, miss }) => `${miss}${echo}`,
  [Status.keyExists]: ({ echo }) => `EX${echo}`,
  [Status.notStored]: ({ echo }) => `NS${echo}`,
};

/** The text protocols have no numbers for errors. */
function other(status: number): string {
  const text = statusBody(status).toString('latin1');
  return `SERVER_ERROR ${text === '' ? `status ${status}` : text}`;
}
