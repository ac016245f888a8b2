import { Opcode, type TestServer } from '../../lib/testing/index.ts';

/** The keys asked for, in order over all connections; the server was started with `record`. */
export async function keysSent(server: TestServer): Promise<string[]> {
  const commands = await server.commands();
  return commands.filter(({ opcode }) => opcode !== Opcode.version).map(({ key }) => key.toString());
}

/** What each read brought, without the handshake of each connection. */
export async function runsSent(server: TestServer): Promise<Buffer[]> {
  const chunks = await server.received();
  return chunks.map(({ bytes }) => bytes).filter((bytes) => bytes[1] !== Opcode.version);
}
