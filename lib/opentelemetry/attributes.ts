// The names of OpenTelemetry's semantic conventions for database clients, as they are since they are stable.
import type { Attributes } from '@opentelemetry/api';
import { EvenkeelError } from '../errors';
import type { OperationTrace } from '../observability/channels';

/** An engine without a server of that name in the conventions is named after what it stands on. */
const SYSTEMS: Readonly<Record<string, string>> = { embedded: 'lmdb' };

/** What is known when it starts; few values each, so that metrics may have them. */
export function attributesOf({ engine, op, size, class: collection }: OperationTrace): Attributes {
  const isBatch = op === 'getMany';
  return {
    'db.system.name': SYSTEMS[engine] ?? engine,
    'db.operation.name': isBatch ? 'BATCH get' : op,
    ...(isBatch && size !== 1 && { 'db.operation.batch.size': size }),
    ...(collection !== undefined && { 'db.collection.name': collection }),
  };
}

/** What is known at its end. */
export function endAttributesOf({ node, hits }: OperationTrace): Attributes {
  return { ...serverOf(node), ...(hits !== undefined && { 'db.response.returned_rows': hits }) };
}

/** `node`: `host:port`, `[address]:port` or the path of a socket. */
export function serverOf(node: string | undefined): Attributes {
  if (node === undefined) return {};
  const [, bracketed, host, port] = /^(?:\[(.+)\]|([^/]+)):(\d+)$/.exec(node) ?? [];
  if (port === undefined) return { 'server.address': node };
  return { 'server.address': bracketed ?? host, 'server.port': Number(port) };
}

/** Of whatever an operation has ended with, which a transcoder may have thrown. */
export function errorAttributesOf(error: unknown): Attributes {
  try {
    if (!(error instanceof EvenkeelError))
      return { 'error.type': error instanceof Error ? error.name : '_OTHER' };
    const { status } = error.context;
    return {
      'error.type': error.code,
      ...(status !== undefined && { 'db.response.status_code': String(status) }),
    };
  } catch {
    return { 'error.type': '_OTHER' };
  }
}
