import assert from 'node:assert/strict';
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import fc from 'fast-check';
import {
  checkMechanism,
  chooseMechanism,
  mechanismsFor,
  plainMessage,
} from '../../lib/cluster/couchbase/mechanisms.ts';
import { SaltedPasswords, ScramLogin, type ScramMechanism } from '../../lib/cluster/couchbase/scram.ts';
import { AuthenticationError, InvalidArgumentError } from '../../lib/errors.ts';

interface Vector {
  readonly mechanism: ScramMechanism;
  readonly nonce: string;
  readonly serverFirst: string;
  readonly final: string;
  readonly serverFinal: string;
}

// The examples of RFC 5802 and RFC 7677, user "user" with password "pencil".
const vectors: Vector[] = [
  {
    mechanism: 'SCRAM-SHA1',
    nonce: 'fyko+d2lbbFgONRv9qkxdawL',
    serverFirst: 'r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096',
    final: 'c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=',
    serverFinal: 'v=rmF9pqV8S7suAoZWja4dJRkFsKQ=',
  },
  {
    mechanism: 'SCRAM-SHA256',
    nonce: 'rOprNGfwEbeRWgbNEkqO',
    serverFirst: 'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
    final:
      'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
    serverFinal: 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
  },
];

const [rfc5802, rfc7677] = vectors as [Vector, Vector];
const loginOf = ({ mechanism, nonce }: Vector, passwords = new SaltedPasswords('pencil')): ScramLogin =>
  new ScramLogin(mechanism, 'user', passwords, nonce);
const isRefusal = (error: unknown): boolean => error instanceof AuthenticationError;

describe('a login', () => {
  for (const vector of vectors)
    test(`says what the RFC's example of ${vector.mechanism} says`, async () => {
      const login = loginOf(vector);
      assert.equal(login.first, `n,,n=user,r=${vector.nonce}`);
      assert.equal(await login.answer(Buffer.from(vector.serverFirst)), vector.final);
      login.verify(Buffer.from(vector.serverFinal));
    });

  test('has a nonce of its own each time', () => {
    const logins = Array.from(
      { length: 100 },
      () => new ScramLogin('SCRAM-SHA512', 'u', new SaltedPasswords('p')).first,
    );
    assert.equal(new Set(logins).size, 100);
    for (const first of logins) assert.match(first, /^n,,n=u,r=[A-Za-z0-9+/=]{32}$/);
  });

  test('spells what the protocol has other uses for', () => {
    const { first } = new ScramLogin('SCRAM-SHA1', 'a=b,c=2C', new SaltedPasswords('p'), 'x');
    assert.equal(first, 'n,,n=a=3Db=2Cc=3D2C,r=x');
  });

  test('succeeds with a server that knows the password, and with no other one', async () => {
    const mechanisms = fc.constantFrom<ScramMechanism>('SCRAM-SHA512', 'SCRAM-SHA256', 'SCRAM-SHA1');
    const texts = fc
      .string({ minLength: 1, maxLength: 20, unit: 'binary' })
      .filter((text) => text.isWellFormed());
    await fc.assert(
      fc.asyncProperty(
        mechanisms,
        texts,
        texts,
        fc.uint8Array({ minLength: 1, maxLength: 40 }),
        async (mechanism, name, password, salt) => {
          const login = new ScramLogin(mechanism, name, new SaltedPasswords(password));
          const server = new Server(mechanism, password, salt);
          const final = await login.answer(server.first(login.first));
          const verdict = server.final(final);
          assert.ok(verdict.startsWith('v='), 'the server takes the proof');
          login.verify(verdict);
          const other = new Server(mechanism, `${password}x`, salt);
          other.first(login.first, server.nonce);
          assert.throws(() => login.verify(`v=${other.signature(final)}`), isRefusal);
        },
      ),
      { numRuns: 30 },
    );
  });
});

describe('a server is refused', () => {
  const answers: [why: string, serverFirst: string][] = [
    ['that has another nonce', rfc5802.serverFirst.replace('r=fyko', 'r=Fyko')],
    ['that adds nothing to the nonce', `r=${rfc5802.nonce},s=QSXCR+Q6sek8bf92,i=4096`],
    ['that has only the beginning of the nonce', 'r=fyko,s=QSXCR+Q6sek8bf92,i=4096'],
    ['that wants too few iterations', rfc5802.serverFirst.replace('i=4096', 'i=1')],
    ['that wants too many', rfc5802.serverFirst.replace('i=4096', 'i=1000001')],
    ['that wants more than there are numbers', rfc5802.serverFirst.replace('i=4096', 'i=99999999999')],
    ['that wants none', rfc5802.serverFirst.replace('i=4096', 'i=0')],
    ['whose iterations are signed', rfc5802.serverFirst.replace('i=4096', 'i=-4096')],
    ['whose iterations have a fraction', rfc5802.serverFirst.replace('i=4096', 'i=4096.5')],
    ['that has no salt', rfc5802.serverFirst.replace('s=QSXCR+Q6sek8bf92,', '')],
    ['whose salt is empty', rfc5802.serverFirst.replace('QSXCR+Q6sek8bf92', '')],
    ['whose salt is not in base64', rfc5802.serverFirst.replace('QSXCR+Q6sek8bf92', 'QSXCR')],
    ['that wants an extension', `m=x,${rfc5802.serverFirst}`],
    ['that says it in another order', 'i=4096,s=QSXCR+Q6sek8bf92,r=fyko+d2lbbFgONRv9qkxdawLx'],
    ['that says nothing', ''],
    ['that says too much', `${rfc5802.serverFirst},x=${'x'.repeat(5000)}`],
    ['that says an error', 'e=other-error'],
  ];
  for (const [why, serverFirst] of answers)
    test(why, async () => {
      await assert.rejects(loginOf(rfc5802).answer(serverFirst), isRefusal);
    });

  const verdicts: [why: string, serverFinal: string][] = [
    ['that says an error', 'e=invalid-proof'],
    ['that proves nothing', ''],
    ['whose signature is empty', 'v='],
    ['whose signature is shorter', `v=${Buffer.alloc(19).toString('base64')}`],
    ['whose signature is another one', rfc5802.serverFinal.replace('v=r', 'v=s')],
    ['whose signature is not in base64', 'v=????'],
    ['that says too much', `v=${'x'.repeat(5000)}`],
  ];
  for (const [why, serverFinal] of verdicts)
    test(why, async () => {
      const login = loginOf(rfc5802);
      await login.answer(rfc5802.serverFirst);
      assert.throws(() => login.verify(serverFinal), isRefusal);
    });

  test('that claims success before it was told a proof', () => {
    assert.throws(() => loginOf(rfc5802).verify(rfc5802.serverFinal), isRefusal);
  });

  test('whatever it says, with an error that shows no password', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary' }), async (text) => {
        const login = new ScramLogin('SCRAM-SHA1', 'user', new SaltedPasswords('s3cret'), 'n');
        await assert.rejects(
          login.answer(text),
          (error) => isRefusal(error) && !/s3cret/.test(inspect(error)),
        );
        assert.throws(() => login.verify(text), isRefusal);
      }),
    );
  });
});

describe('a salted password', () => {
  const salt = (byte: number): Buffer => Buffer.alloc(8, byte);

  test('is made once, also for those who ask while it is being made', async () => {
    const passwords = new SaltedPasswords('pencil');
    const [one, two] = await Promise.all([1, 2].map(() => passwords.of('SCRAM-SHA1', salt(1), 1000)));
    assert.equal(one, two);
    assert.equal(await passwords.of('SCRAM-SHA1', salt(1), 1000), one);
  });

  test('is another one for another mechanism, salt or number of iterations', async () => {
    const passwords = new SaltedPasswords('pencil');
    const made = await Promise.all([
      passwords.of('SCRAM-SHA1', salt(1), 1000),
      passwords.of('SCRAM-SHA256', salt(1), 1000),
      passwords.of('SCRAM-SHA1', salt(2), 1000),
      passwords.of('SCRAM-SHA1', salt(1), 1001),
    ]);
    assert.equal(new Set(made.map((each) => each.toString('hex'))).size, 4);
  });

  test('is forgotten when there are many others that were needed later', async () => {
    const passwords = new SaltedPasswords('pencil');
    const of = (byte: number): Promise<Buffer> => passwords.of('SCRAM-SHA1', salt(byte), 1000);
    const [first, second] = [await of(1), await of(2)];
    for (let byte = 3; byte <= 16; byte += 1) await of(byte);
    assert.equal(await of(1), first);
    await of(17);
    assert.equal(await of(1), first);
    assert.notEqual(await of(2), second);
  });

  test('of two messages of one login leaves the first as it is', async () => {
    const passwords = new SaltedPasswords('pencil');
    const login = loginOf(rfc7677, passwords);
    assert.equal(await login.answer(rfc7677.serverFirst), await login.answer(rfc7677.serverFirst));
  });
});

describe('the mechanism is', () => {
  const all = 'PLAIN SCRAM-SHA1 SCRAM-SHA256 SCRAM-SHA512';
  const open = { isEncrypted: false, isVerified: false };
  const safe = { isEncrypted: true, isVerified: true };

  test('PLAIN only where nobody else hears it, unless it is asked for', () => {
    assert.equal(chooseMechanism(all, mechanismsFor(open, undefined)), 'SCRAM-SHA512');
    assert.equal(
      chooseMechanism(all, mechanismsFor({ isEncrypted: true, isVerified: false }, undefined)),
      'SCRAM-SHA512',
    );
    assert.equal(chooseMechanism(all, mechanismsFor(safe, undefined)), 'PLAIN');
    assert.equal(chooseMechanism(all, mechanismsFor(open, 'PLAIN')), 'PLAIN');
  });

  test('the strongest that the server takes', () => {
    assert.equal(chooseMechanism('SCRAM-SHA1 SCRAM-SHA256', mechanismsFor(open, undefined)), 'SCRAM-SHA256');
    assert.equal(chooseMechanism('SCRAM-SHA1 OTHER', mechanismsFor(safe, undefined)), 'SCRAM-SHA1');
  });

  test('the one that is asked for, or none', () => {
    assert.equal(chooseMechanism(all, mechanismsFor(safe, 'SCRAM-SHA1')), 'SCRAM-SHA1');
    assert.throws(() => chooseMechanism('SCRAM-SHA512', mechanismsFor(safe, 'SCRAM-SHA1')), isRefusal);
  });

  test('none where there would be PLAIN only, and the error says what it takes', () => {
    assert.throws(() => chooseMechanism('PLAIN', mechanismsFor(open, undefined)), /PLAIN requires TLS/);
    assert.throws(() => chooseMechanism('x'.repeat(1e6), mechanismsFor(open, undefined)), isRefusal);
    assert.throws(() => chooseMechanism('', mechanismsFor(safe, undefined)), isRefusal);
  });

  test('a name that there is', () => {
    assert.equal(checkMechanism('mechanism', undefined), undefined);
    assert.equal(checkMechanism('mechanism', 'PLAIN'), 'PLAIN');
    for (const bad of ['plain', 'SCRAM-SHA-1', 1, null, 'toString'])
      assert.throws(
        () => checkMechanism('mechanism', bad),
        (error) => error instanceof InvalidArgumentError && error.context.argument === 'mechanism',
      );
  });

  test('and PLAIN says it all at once', () => {
    assert.equal(plainMessage({ username: 'ü', password: 'p,=' }), '\0ü\0p,=');
  });
});

/** The other side, written by the RFC alone. */
class Server {
  readonly #digest: string;
  readonly #bytes: number;
  readonly #salted: Buffer;
  readonly #salt: Uint8Array;
  #clientBare = '';
  #first = '';
  nonce = '';

  constructor(mechanism: ScramMechanism, password: string, salt: Uint8Array) {
    this.#digest = mechanism.slice('SCRAM-'.length).toLowerCase();
    this.#bytes = { sha1: 20, sha256: 32, sha512: 64 }[this.#digest] ?? 0;
    this.#salt = salt;
    this.#salted = pbkdf2Sync(password, salt, 1000, this.#bytes, this.#digest);
  }

  first(clientFirst: string, nonce = `${clientFirst.split(',r=')[1]}server`): string {
    this.#clientBare = clientFirst.slice('n,,'.length);
    this.nonce = nonce;
    this.#first = `r=${nonce},s=${Buffer.from(this.#salt).toString('base64')},i=1000`;
    return this.#first;
  }

  final(clientFinal: string): string {
    const [withoutProof = '', proof = ''] = clientFinal.split(',p=');
    const clientKey = this.#hmac(this.#salted, 'Client Key');
    const stored = createHash(this.#digest).update(clientKey).digest();
    const signature = this.#hmac(stored, `${this.#clientBare},${this.#first},${withoutProof}`);
    const key = Buffer.from(proof, 'base64').map((byte, at) => byte ^ (signature[at] ?? 0));
    const isRight = createHash(this.#digest).update(key).digest().equals(stored);
    return isRight ? `v=${this.signature(clientFinal)}` : 'e=invalid-proof';
  }

  signature(clientFinal: string): string {
    const [withoutProof = ''] = clientFinal.split(',p=');
    const key = this.#hmac(this.#salted, 'Server Key');
    return this.#hmac(key, `${this.#clientBare},${this.#first},${withoutProof}`).toString('base64');
  }

  #hmac(key: Buffer, text: string): Buffer {
    return createHmac(this.#digest, key).update(text).digest();
  }
}
