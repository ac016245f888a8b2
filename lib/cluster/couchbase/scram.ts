import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { shown } from '../../arguments';
import { AuthenticationError } from '../../errors';

const derive = promisify(pbkdf2);

/** By the names that Couchbase uses. */
const DIGESTS = {
  'SCRAM-SHA512': { name: 'sha512', bytes: 64 },
  'SCRAM-SHA256': { name: 'sha256', bytes: 32 },
  'SCRAM-SHA1': { name: 'sha1', bytes: 20 },
} as const;

export type ScramMechanism = keyof typeof DIGESTS;

const LONGEST_MESSAGE = 4096;
/** RFC 7677 requires 4096. A fake server that asked for a few could find out a weak password. */
const FEWEST_ITERATIONS = 1000;
/** About half a second of a thread of the pool. */
const MOST_ITERATIONS = 1_000_000;
const MOST_REMEMBERED = 16;
const NONCE_BYTES = 24;
/** `n,,` in base64: no channel binding. */
const NO_BINDING = 'biws';

const SERVER_FIRST =
  /^r=([\x21-\x2b\x2d-\x7e]+),s=([A-Za-z0-9+/]+={0,2}),i=([1-9]\d{0,9})(?:,[A-Za-z]=[^,]*)*$/;
const SERVER_FINAL = /^([ve])=([^,]+)(?:,[A-Za-z]=[^,]*)*$/;

/**
 * Derives and caches the salted passwords of one user. A derivation takes milliseconds in the thread pool; connections
 * for which the server uses the same salt and iterations share it.
 */
export class SaltedPasswords {
  readonly #password: string;
  /** Ordered by last use, oldest first. */
  readonly #known = new Map<string, Promise<Buffer>>();

  constructor(password: string) {
    this.#password = password;
  }

  async of(mechanism: ScramMechanism, salt: Buffer, iterations: number): Promise<Buffer> {
    const name = `${mechanism} ${iterations} ${salt.toString('base64')}`;
    const { name: digest, bytes } = DIGESTS[mechanism];
    const salted =
      this.#known.get(name) ?? derive(Buffer.from(this.#password), salt, iterations, bytes, digest);
    this.#known.delete(name);
    this.#known.set(name, salted);
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= MOST_REMEMBERED) break;
      this.#known.delete(oldest);
    }
    try {
      return await salted;
    } catch (error) {
      if (this.#known.get(name) === salted) this.#known.delete(name);
      throw error;
    }
  }
}

/**
 * The client side of one SCRAM login (RFC 5802) without channel binding. The name and password are used as they are,
 * without SASLprep, which Couchbase does not apply either. All errors are AuthenticationErrors.
 */
export class ScramLogin {
  /** The client's first message. */
  readonly first: string;
  readonly #mechanism: ScramMechanism;
  readonly #passwords: SaltedPasswords;
  readonly #nonce: string;
  readonly #bare: string;
  /** The signature of a server that knows the password. */
  #expected: Buffer | undefined;

  /** `nonce`: printable characters without a comma, unique for each login. */
  constructor(
    mechanism: ScramMechanism,
    username: string,
    passwords: SaltedPasswords,
    nonce = randomBytes(NONCE_BYTES).toString('base64'),
  ) {
    this.#mechanism = mechanism;
    this.#passwords = passwords;
    this.#nonce = nonce;
    this.#bare = `n=${username.replaceAll('=', '=3D').replaceAll(',', '=2C')},r=${nonce}`;
    this.first = `n,,${this.#bare}`;
  }

  /** The client's final message. */
  async answer(serverFirst: string | Uint8Array): Promise<string> {
    const said = textOf(serverFirst);
    const [, nonce = '', saltText = '', count] = SERVER_FIRST.exec(said) ?? [];
    const salt = bytesOf(saltText);
    if (count === undefined || salt === undefined) throw malformed(said);
    if (!nonce.startsWith(this.#nonce) || nonce.length === this.#nonce.length)
      throw new AuthenticationError(
        'authentication: the nonce of the server does not continue that of the client',
      );
    const iterations = Number(count);
    if (iterations < FEWEST_ITERATIONS || iterations > MOST_ITERATIONS)
      throw new AuthenticationError(
        `authentication: the server requires ${iterations} iterations; accepted are ${FEWEST_ITERATIONS} to ${MOST_ITERATIONS}`,
      );
    const salted = await this.#passwords.of(this.#mechanism, salt, iterations);
    const final = `c=${NO_BINDING},r=${nonce}`;
    const exchange = `${this.#bare},${said},${final}`;
    const clientKey = this.#hmac(salted, 'Client Key');
    const { name } = DIGESTS[this.#mechanism];
    const storedKey = createHash(name).update(clientKey).digest();
    const signature = this.#hmac(storedKey, exchange);
    const proof = clientKey.map((byte, at) => byte ^ (signature[at] ?? 0));
    this.#expected = this.#hmac(this.#hmac(salted, 'Server Key'), exchange);
    return `${final},p=${Buffer.from(proof).toString('base64')}`;
  }

  /** Throws unless the server's final message proves that the server knows the password. */
  verify(serverFinal: string | Uint8Array): void {
    const said = textOf(serverFinal);
    const [, kind, value = ''] = SERVER_FINAL.exec(said) ?? [];
    if (kind === undefined) throw malformed(said);
    if (kind === 'e')
      throw new AuthenticationError(`authentication: the server refuses the credentials: ${shown(value)}`);
    const signature = bytesOf(value);
    const expected = this.#expected;
    if (
      signature === undefined ||
      expected === undefined ||
      signature.length !== expected.length ||
      !timingSafeEqual(signature, expected)
    )
      throw new AuthenticationError(
        'authentication: the signature of the server is wrong: it does not know the password',
      );
  }

  #hmac(key: Buffer, text: string): Buffer {
    return createHmac(DIGESTS[this.#mechanism].name, key).update(text).digest();
  }
}

function textOf(message: string | Uint8Array): string {
  if (message.length > LONGEST_MESSAGE)
    throw new AuthenticationError(
      `authentication: the message of the server has more than ${LONGEST_MESSAGE} bytes`,
    );
  return typeof message === 'string' ? message : Buffer.from(message).toString();
}

/** undefined: not base64. */
function bytesOf(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}

const malformed = (said: string): AuthenticationError =>
  new AuthenticationError(`authentication: malformed message from the server: ${shown(said)}`);
