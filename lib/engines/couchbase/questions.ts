import type { HostPort } from '../../cluster/connection-string';
import type { AskForConfiguration } from '../../cluster/couchbase/bootstrap';
import type { AskForCollection } from '../../cluster/couchbase/collections';
import type { Configurations } from '../../cluster/couchbase/configurations';
import type { Revision } from '../../cluster/couchbase/revision';
import { CouchbaseStatus } from '../../cluster/couchbase/statuses';
import type { Tls } from '../../cluster/tls';
import { ConnectionError, ServerError } from '../../errors';
import { isError } from '../../foreign';
import * as layout from '../../native/layout';
import { excerpt } from '../../text';
import type { Management } from '../management';
import { SUCCESS, type Wire } from '../network/dialect';
import { type Answer, inquire } from '../network/inquiry';

/** How servers are asked what belongs to no operation. */
export interface Asking {
  readonly wire: Wire;
  readonly tls: Tls | undefined;
  readonly management: Management;
  readonly signal: AbortSignal;
}

const LONGEST_CONFIGURATION = 32 << 20;
const LONGEST_ID = 256;
/** Two numbers of 64 bits. */
const REVISION_BYTES = 16;
/** What the answer about a collection begins with: the uid of the manifest, and the id. */
const ID_BYTES = 12;
const ID_OFFSET = 8;

export function askForConfiguration({ wire, tls, management, signal }: Asking): AskForConfiguration {
  return async (server, known, timeout) => {
    const value = known && revisionBytes(known);
    const code = layout.OP_CLUSTER_CONFIG;
    const longestAnswer = LONGEST_CONFIGURATION;
    const question = { server, wire, tls, code, argument: '', value, timeout, longestAnswer, signal };
    const { status, bytes, beside } = await inquire(question, management);
    if (status !== SUCCESS) throw refusal('it has no configuration', status, bytes);
    return bytes.length === beside ? undefined : bytes.subarray(beside);
  };
}

/** Servers are asked one after the other, until one answers. */
export function askForCollection(
  { wire, tls, management, signal }: Asking,
  configurations: Configurations,
  timeout: number,
): AskForCollection {
  const ask = (server: HostPort, path: string): Promise<Answer> => {
    const code = layout.OP_GET_COLLECTION_ID;
    const value = Buffer.from(path);
    const longestAnswer = LONGEST_ID;
    return inquire(
      { server, wire, tls, code, argument: '', value, timeout, longestAnswer, signal },
      management,
    );
  };
  return async (path) => {
    let fault: unknown = new Error('no server is known');
    for (const server of configurations.current?.servers ?? []) {
      if (server === undefined) continue;
      try {
        return idIn(path, await ask(server, path));
      } catch (error) {
        if (error instanceof ServerError || signal.aborted) throw error;
        fault = error;
      }
    }
    const message = `the id of the collection ${path} is not known: ${isError(fault) ? fault.message : ''}`;
    throw new ConnectionError(message, { cause: fault });
  };
}

function idIn(path: string, { status, bytes, beside }: Answer): { manifest: bigint; id: number } {
  if (status === CouchbaseStatus.unknownCollection || status === CouchbaseStatus.unknownScope)
    throw new ServerError(`the bucket has no collection ${path}`, { context: { status } });
  if (status !== SUCCESS) throw refusal('it does not tell the id of a collection', status, bytes);
  if (beside !== ID_BYTES || bytes.length < ID_BYTES)
    throw new Error('it answered a question for a collection with what is no id');
  return { manifest: bytes.readBigUInt64BE(0), id: bytes.readUInt32BE(ID_OFFSET) };
}

function revisionBytes({ epoch, rev }: Revision): Buffer {
  const bytes = Buffer.alloc(REVISION_BYTES);
  bytes.writeBigInt64BE(BigInt.asIntN(64, epoch), 0);
  bytes.writeBigInt64BE(BigInt.asIntN(64, rev), 8);
  return bytes;
}

const refusal = (what: string, status: number, bytes: Buffer): Error =>
  new Error(
    `${what} (status 0x${status.toString(16)}${bytes.length === 0 ? '' : `: ${excerpt(bytes.toString())}`})`,
  );
