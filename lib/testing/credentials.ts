import type { Credentials } from '../cluster/credentials';

export type { Credentials };

export function isUser(credentials: Credentials, username: string, password: string): boolean {
  return credentials.username === username && credentials.password === password;
}
