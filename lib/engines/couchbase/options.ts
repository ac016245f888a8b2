import type { Mechanism } from '../../cluster/couchbase/mechanisms';
import type { CredentialOptions } from '../../cluster/credentials';
import type { ClientOptions } from '../network/options';

export interface CouchbaseOptions extends ClientOptions, CredentialOptions {
  /**
   * Which addresses of the servers to use: 'default' for those by which they reach each other, 'external' or another name for
   * alternate addresses of that name, 'auto' for those that the URL's host belongs to. Default 'auto'.
   */
  readonly network?: string | undefined;
  /** How to authenticate. Default: PLAIN over TLS with a verified certificate, otherwise SCRAM. */
  readonly mechanism?: Mechanism | undefined;
  /** ms between two questions for a newer configuration; Infinity: it is asked for only when operations find it outdated. Default 2500. */
  readonly pollInterval?: number | undefined;
}
