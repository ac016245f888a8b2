export interface Credentials {
  readonly username: string;
  readonly password: string;
}

export function isUser(credentials: Credentials, username: string, password: string): boolean {
  return credentials.username === username && credentials.password === password;
}
