import type { Credentials } from './operations';

export function isUser(credentials: Credentials, username: string, password: string): boolean {
  return credentials.username === username && credentials.password === password;
}
