import { createHash, createHmac, pbkdf2Sync, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Credentials } from '../credentials';

/** Hash functions by the mechanisms' names, strongest first. */
const HASHES: ReadonlyMap<string, string> = new Map([
  ['SCRAM-SHA512', 'sha512'],
  ['SCRAM-SHA256', 'sha256'],
  ['SCRAM-SHA1', 'sha1'],
]);

export const SCRAM_MECHANISMS: readonly string[] = [...HASHES.keys()];

const ITERATIONS = 4096;
const CHANNEL_BINDING = 'biws';

/** What a server stores instead of a password, for one hash function. */
interface Verifier {
  readonly hash: string;
  readonly salt: string;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
}

/** The verifiers of the only user. Deriving one takes milliseconds, so each is cached. */
export class Verifiers {
  readonly #credentials: Credentials;
  readonly #made = new Map<string, Verifier>();

  constructor(credentials: Credentials) {
    this.#credentials = credentials;
  }

  /** Undefined if the mechanism is not a SCRAM mechanism. */
  of(mechanism: string): Verifier | undefined {
    const hash = HASHES.get(mechanism);
    if (hash === undefined) return undefined;
    const made = this.#made.get(hash) ?? this.#make(hash);
    this.#made.set(hash, made);
    return made;
  }

  #make(hash: string): Verifier {
    const salt = randomBytes(16);
    const bytes = createHash(hash).digest().length;
    const salted = pbkdf2Sync(this.#credentials.password, salt, ITERATIONS, bytes, hash);
    const clientKey = hmac(hash, salted, 'Client Key');
    return {
      hash,
      salt: salt.toString('base64'),
      storedKey: createHash(hash).update(clientKey).digest(),
      serverKey: hmac(hash, salted, 'Server Key'),
    };
  }
}

/** The server's side of one exchange of RFC 5802, without channel binding. */
export class ScramExchange {
  readonly #username: string;
  readonly #verifier: Verifier;
  #isKnown = false;
  #nonce = '';
  #said = '';

  constructor(username: string, verifier: Verifier) {
    this.#username = username;
    this.#verifier = verifier;
  }

  /** The challenge for the client's first message; undefined if it is malformed. An unknown user fails only in `finish`. */
  begin(message: string): string | undefined {
    const match = /^n,(?:a=[^,]*)?,(n=([^,]*),r=([^,]+).*)$/.exec(message);
    if (match === null) return undefined;
    const [, bare = '', name = '', nonce = ''] = match;
    this.#isKnown = name.replaceAll('=2C', ',').replaceAll('=3D', '=') === this.#username;
    this.#nonce = nonce + randomBytes(12).toString('base64');
    const answer = `r=${this.#nonce},s=${this.#verifier.salt},i=${ITERATIONS}`;
    this.#said = `${bare},${answer}`;
    return answer;
  }

  /** The server's signature; undefined if the proof is wrong. */
  finish(message: string): string | undefined {
    const match = /^(c=([^,]*),r=([^,]*)),p=(.*)$/.exec(message);
    if (match === null) return undefined;
    const [, bare = '', binding, nonce, proof = ''] = match;
    if (binding !== CHANNEL_BINDING || nonce !== this.#nonce || !this.#isKnown) return undefined;
    const { hash, storedKey, serverKey } = this.#verifier;
    const said = `${this.#said},${bare}`;
    const given = Buffer.from(proof, 'base64');
    const signature = hmac(hash, storedKey, said);
    if (given.length !== signature.length) return undefined;
    const clientKey = given.map((byte, index) => byte ^ (signature[index] ?? 0));
    const shown = createHash(hash).update(clientKey).digest();
    if (!timingSafeEqual(shown, storedKey)) return undefined;
    return `v=${hmac(hash, serverKey, said).toString('base64')}`;
  }
}

function hmac(hash: string, key: Buffer, text: string): Buffer {
  return createHmac(hash, key).update(text).digest();
}
