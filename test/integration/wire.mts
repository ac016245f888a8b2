import type { EventBase } from '../../lib/event-base/event-base.ts';
import { Opcode, type TestServer } from '../../lib/testing/index.ts';

/** The keys asked for, in order over all connections; the server was started with `record`. */
export async function keysSent(server: TestServer): Promise<string[]> {
  const commands = await server.commands();
  const isGreeting = (opcode: number): boolean => opcode === Opcode.version || opcode === Opcode.noop;
  return commands.filter(({ opcode }) => !isGreeting(opcode)).map(({ key }) => key.toString());
}

/** How many system calls sent what the base's clients sent while `act` ran. Reads at the server join what was sent apart. */
export async function writesDuring(base: EventBase, act: () => unknown): Promise<number> {
  const { writes } = await base.stats();
  await act();
  return (await base.stats()).writes - writes;
}
