// Names from OpenTelemetry's stable semantic conventions for database clients.
import type { Attributes } from '@opentelemetry/api';
import { EvenkeelError } from '../errors';
import type { OperationTrace } from '../observability/channels';

/** The conventions have no name for the embedded engine, so it is reported as the store underneath. */
const SYSTEMS: Readonly<Record<string, string>> = { embedded: 'lmdb' };

/** Attributes known at the start. Each has few distinct values, so that metrics can use them. */
export function attributesOf({ engine, op, size, class: collection }: OperationTrace): Attributes {
  const isBatch = op === 'getMany';
  return {
    'db.system.name': SYSTEMS[engine] ?? engine,
    'db.operation.name': isBatch ? 'BATCH get' : op,
    ...(isBatch && size !== 1 && { 'db.operation.batch.size': size }),
    ...(collection !== undefined && { 'db.collection.name': collection }),
  };
}

/** Attributes known at the end. */
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

/** Attributes of the error of an operation. A transcoder may have thrown it, so it can be anything. */
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
