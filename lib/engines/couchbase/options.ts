import type { Mechanism } from '../../cluster/couchbase/mechanisms';
import type { CredentialOptions } from '../../cluster/credentials';
import type { ClientOptions } from '../network/options';

export interface CouchbaseOptions extends ClientOptions, CredentialOptions {
  /**
   * Which addresses of the servers to use. 'default': those that they use among themselves. 'external' or another name:
   * the alternate addresses of that name. 'auto': those that the URL's host belongs to. Default 'auto'.
   */
  readonly network?: string | undefined;
  /** How to authenticate. Default: PLAIN over TLS with a verified certificate, otherwise SCRAM. */
  readonly mechanism?: Mechanism | undefined;
  /**
   * ms between two requests for a newer configuration. Infinity: only when an operation finds it outdated. Default
   * 2500.
   */
  readonly pollInterval?: number | undefined;
}
