import { clearInterval, dateNow, performanceNow, setInterval } from '../platform';
import { performAll } from '../workload/batch';
import { Run } from '../workload/driver';
import { type GeneratorOptions, WorkloadGenerator } from '../workload/generator';
import { LatencyRecorder } from '../workload/latency';
import type { WorkloadProfile } from '../workload/profile';
import type { Interrupt } from './interrupt';
import type { Measurement } from './measurement';
import type { Progress } from './progress';
import { describe } from './report';
import type { Session } from './session';

export interface MeasureOptions extends Omit<GeneratorOptions, 'serial'> {
  readonly concurrency: number;
  readonly seconds: number;
  /** The duration of the load before the measurement, in seconds. Default 0. */
  readonly warmUp?: number;
  /** The number of measurements. Default 1. */
  readonly runs?: number;
}

const PROGRESS_MS = 250;

/**
 * Stores a profile's keys, replays it, and removes what it stored. Returns one measurement for each run; fewer when
 * interrupted.
 *
 * @throws the error of the first write if none of the keys could be stored.
 */
export async function measure(
  session: Session,
  profile: WorkloadProfile,
  options: MeasureOptions,
  interrupt: Interrupt,
  progress: Progress,
): Promise<Measurement[]> {
  const { concurrency, seconds, warmUp = 0, runs = 1 } = options;
  const generator = new WorkloadGenerator(profile, { ...options, serial: dateNow() * 1e5 });
  progress.show(`${profile.name}: storing ${generator.residents + generator.counters} keys`);
  const prefill = await performAll(session.db, generator.prefill(), concurrency, () => interrupt.seen);
  if (prefill.done === 0 && prefill.failed > 0) throw prefill.error;
  const measurements: Measurement[] = [];
  try {
    if (warmUp > 0 && !interrupt.seen) {
      await observed(
        new Run(session.db, generator, { concurrency, seconds: warmUp }),
        `${profile.name} warm-up`,
      );
    }
    for (let number = 1; number <= runs && !interrupt.seen; number++) {
      const run = new Run(session.db, generator, { concurrency, seconds });
      const cpuBefore = session.cpu.read();
      await observed(run, runs === 1 ? profile.name : `${profile.name} ${number}/${runs}`);
      const cpuMicroseconds = session.cpu.read() - cpuBefore;
      measurements.push(conclude(run, cpuMicroseconds));
    }
  } finally {
    progress.show(`${profile.name}: removing its keys`);
    await performAll(session.db, generator.cleanup(), concurrency);
  }
  return measurements;

  async function observed(run: Run, label: string): Promise<void> {
    const unlisten = interrupt.listen(() => run.stop());
    const ticker = setInterval(() => progress.show(describe(label, run)), PROGRESS_MS);
    try {
      await run.complete();
    } finally {
      clearInterval(ticker);
      unlisten();
    }
  }

  function conclude(run: Run, cpuMicroseconds: number): Measurement {
    const { tally, elapsedMs } = run;
    const { operations, missRatio } = tally;
    return {
      workload: profile.name,
      mix: profile.operations,
      keyBytes: profile.keyBytes,
      valueBytes: profile.valueBytes,
      seconds: elapsedMs / 1000,
      operations,
      operationsPerSecond: elapsedMs === 0 ? 0 : operations / (elapsedMs / 1000),
      byKind: Object.fromEntries(Object.entries(tally.answered).filter(([, count]) => count > 0)),
      reads: tally.reads,
      hitRatio: missRatio === undefined ? undefined : 1 - missRatio,
      missRatio,
      expectedMissRatio: profile.missRatio,
      latency: tally.latency.summary(),
      cpu: {
        scope: session.cpu.scope,
        perOperation:
          operations === 0
            ? undefined
            : cpuMicroseconds / (operations + tally.fills + tally.evictions + tally.failed),
        ofWorkload: ownMicroseconds(generator),
      },
      fills: tally.fills,
      evictions: tally.evictions,
      residents: generator.residents + generator.counters,
      prefilled: prefill.done,
      refusals: Object.fromEntries(tally.outcomes),
      errors: Object.fromEntries(tally.errors),
      messages: Object.fromEntries(tally.messages),
      assumed: profile.assumed,
      interrupted: interrupt.seen,
    };
  }
}

/** The cost of generating an operation and recording its latency in this process, measured now. */
function ownMicroseconds(generator: WorkloadGenerator): number {
  const rounds = 50_000;
  const recorder = new LatencyRecorder();
  const began = performanceNow();
  for (let round = 0; round < rounds; round++) {
    generator.next();
    recorder.record(performanceNow() - began);
  }
  return ((performanceNow() - began) * 1000) / rounds;
}
