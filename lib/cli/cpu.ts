import { readdirSync, readFileSync } from 'node:fs';

/** Measures the CPU time used by the client. */
export interface CpuMeter {
  /** What is counted, for the report. */
  readonly scope: string;
  /** Microseconds from an arbitrary origin. */
  read(): number;
}

/** For a server in another process: this process is the client, including V8's helper threads. */
export function processMeter(scope = 'whole process'): CpuMeter {
  return {
    scope,
    read() {
      const { user, system } = process.cpuUsage();
      return user + system;
    },
  };
}

/** The threads of this process; empty when the system does not list them. */
export function threadIds(): Set<string> {
  try {
    return new Set(readdirSync('/proc/self/task'));
  } catch {
    return new Set();
  }
}

/**
 * For a server in a worker of this process, whose CPU time the process's would include. Counts the JavaScript main
 * thread and the threads started since `before`, which must be taken between the start of the server and that of the
 * client. V8's helper threads serve both isolates and are excluded.
 */
export function clientThreadsMeter(before: ReadonlySet<string>): CpuMeter {
  const own = [...threadIds()].filter((id) => !before.has(id));
  const ids = [String(process.pid), ...own];
  if (before.size === 0 || threadMicroseconds(String(process.pid)) === undefined) return fallbackMeter();
  return {
    scope: own.length === 0 ? 'main thread' : `main thread and ${own.length} of the client`,
    read: () => ids.reduce((sum, id) => sum + (threadMicroseconds(id) ?? 0), 0),
  };
}

/** The scheduler's count of nanoseconds on a CPU (Documentation/scheduler/sched-stats.rst). */
function threadMicroseconds(id: string): number | undefined {
  try {
    const nanoseconds = readFileSync(`/proc/self/task/${id}/schedstat`, 'utf8').split(' ', 1)[0];
    return Number(nanoseconds) / 1000;
  } catch {
    return undefined;
  }
}

function fallbackMeter(): CpuMeter {
  const { threadCpuUsage } = process as { threadCpuUsage?: () => NodeJS.CpuUsage };
  if (threadCpuUsage === undefined) return processMeter('whole process, embedded server included');
  return {
    scope: 'main thread',
    read() {
      const { user, system } = threadCpuUsage.call(process);
      return user + system;
    },
  };
}
