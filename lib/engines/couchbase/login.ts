import { chooseMechanism, type Mechanism } from '../../cluster/couchbase/mechanisms';
import { type SaltedPasswords, ScramLogin } from '../../cluster/couchbase/scram';
import type { Credentials } from '../../cluster/credentials';
import { AuthenticationError } from '../../errors';
import type { Dialog } from '../network/dialect';
import { authRequest, Step, selectRequest, stepRequest } from './handshake';

/** What the client says in one login by SCRAM. The bucket is chosen only when the server has proven that it knows the password. */
export class ScramDialog implements Dialog {
  readonly #credentials: Credentials;
  readonly #passwords: SaltedPasswords;
  readonly #usable: readonly Mechanism[];
  readonly #bucket: string;
  #mechanism: Mechanism | undefined;
  #login: ScramLogin | undefined;

  constructor(
    credentials: Credentials,
    passwords: SaltedPasswords,
    usable: readonly Mechanism[],
    bucket: string,
  ) {
    this.#credentials = credentials;
    this.#passwords = passwords;
    this.#usable = usable;
    this.#bucket = bucket;
  }

  async answer(step: number, value: Buffer): Promise<Uint8Array> {
    if (step === Step.mechanisms) return this.#begin(value.toString('latin1'));
    if (this.#login === undefined || this.#mechanism === undefined)
      throw new AuthenticationError('authentication: the server answered before it was asked');
    if (step === Step.auth) return stepRequest(this.#mechanism, await this.#login.answer(value));
    this.#login.verify(value);
    return selectRequest(this.#bucket);
  }

  #begin(offered: string): Uint8Array {
    const mechanism = chooseMechanism(offered, this.#usable);
    if (mechanism === 'PLAIN') throw new AuthenticationError('authentication: PLAIN is no dialog');
    this.#mechanism = mechanism;
    this.#login = new ScramLogin(mechanism, this.#credentials.username, this.#passwords);
    return authRequest(mechanism, this.#login.first);
  }
}
