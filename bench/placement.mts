// Which processors a scenario's two sides run on. Left free, the scheduler sometimes puts a lone operation's client
// and server on one core and sometimes on two, and the difference (a wake-up of a sleeping core) is several times the
// operation. Where that would decide the figure (one operation in flight, or a server that does no work and takes turns
// with the client) they are kept apart, as a server on another machine would be.
import { execFileSync } from 'node:child_process';
import { availableParallelism } from 'node:os';

const serverCores = '0';
const clientCores = `1-${availableParallelism() - 1}`;

function canPlace(): boolean {
  if (availableParallelism() < 2) return false;
  try {
    execFileSync('taskset', ['-c', serverCores, 'true'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

const placing = canPlace();

export function asServer(command: string[], apart: boolean): string[] {
  return apart && placing ? ['taskset', '-c', serverCores, ...command] : command;
}

export function asClient(command: string[], apart: boolean): string[] {
  return apart && placing ? ['taskset', '-c', clientCores, ...command] : command;
}
