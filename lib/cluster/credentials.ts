import { invalidArgument } from '../arguments';

/** What a client authenticates with at each of its servers. */
export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** Give both or neither, in the options or in the URL. */
export interface CredentialOptions {
  /** The user name for servers that require authentication. */
  readonly username?: string | undefined;
  readonly password?: string | undefined;
}

/** The longest user name, and the longest password, in bytes of UTF-8. */
const LONGEST = 1000;

/** Throws InvalidArgumentError (`username` or `password`); its message shows neither. */
export function checkCredentials({ username, password }: CredentialOptions): Credentials | undefined {
  if (username === undefined && password === undefined) return undefined;
  return {
    username: checkText(username, 'username', 'username'),
    password: checkText(password, 'password', 'password'),
  };
}

/** Decodes the percent-encoded credentials of a URL. Throws InvalidArgumentError (`url`). */
export function decodeCredentials(username: string, password: string | undefined): Credentials {
  return {
    username: checkText(decode(username), 'url', 'url: the user'),
    password: checkText(decode(password), 'url', 'url: the password'),
  };
}

function decode(text: string | undefined): string | undefined {
  try {
    return text === undefined ? undefined : decodeURIComponent(text);
  } catch {
    throw invalidArgument('url', 'url: the user and the password are percent-encoded: % is written %25');
  }
}

function checkText(given: unknown, argument: string, what: string): string {
  if (given === undefined)
    throw invalidArgument(argument, `${what} is missing: a user and a password belong together`);
  if (typeof given !== 'string') throw invalidArgument(argument, `${what} is a string, not ${typeof given}`);
  if (given === '' || given.includes('\0') || Buffer.byteLength(given) > LONGEST)
    throw invalidArgument(argument, `${what} is text of 1 to ${LONGEST} bytes without zero bytes`);
  return given;
}

/** The options may repeat the credentials of the URL, but not contradict them. */
export function joinCredentials<Options extends CredentialOptions>(
  options: Options,
  ofUrl: Credentials | undefined,
): Options {
  if (ofUrl === undefined) return options;
  for (const argument of ['username', 'password'] as const)
    if (options[argument] !== undefined && options[argument] !== ofUrl[argument])
      throw invalidArgument(argument, `${argument} is not that of the url`);
  return { ...options, ...ofUrl };
}
