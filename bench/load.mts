// The measuring child: one contender, one scenario, one process, so that CPU time and memory are the contender's own.
// Its only argument is a LoadRequest as JSON; it prints a Measurement as one JSON line.
import type { Client, Contender } from './contenders/contender.mts';
import { loadContender } from './contenders/index.mts';
import { cycle } from './cycle.mts';
import { makeKeys } from './keys.mts';
import { Latencies } from './latencies.mts';
import { valueFor } from './loop.mts';
import type { LoadRequest, Measurement } from './measurement.mts';
import { Phases } from './phases.mts';
import { peakBytes, resetPeak, residentBytes } from './process-usage.mts';

const preloadDepth = 16;
const closeMilliseconds = 2000;

async function preload(client: Client, contender: Contender, keys: string[], size: number): Promise<void> {
  let next = 0;
  const worker = async () => {
    for (let key = keys[next++]; key !== undefined; key = keys[next++]) {
      await client.set(key, valueFor(contender, key, size));
    }
  };
  await Promise.all(Array.from({ length: preloadDepth }, worker));
}

/** So that the idle memory is not that of the start-up's garbage. */
function settle(): Promise<void> {
  globalThis.gc?.();
  return new Promise((resolve) => setTimeout(resolve, 50));
}

async function measure(client: Client, contender: Contender, request: LoadRequest): Promise<Measurement> {
  const { operation, depth, pendingTimers, warmupSeconds, seconds } = request;
  const latencies = new Latencies();
  const phases = new Phases(warmupSeconds, seconds, () => latencies.clear());
  const context = { client, contender, request, latencies, phases };
  // Loaded on demand: the generator's code belongs to one kind of load only.
  const loop = operation === 'replay' ? await (await import('./replay.mts')).replay(context) : cycle(context);
  if (pendingTimers > 0) client.pendTimers?.(pendingTimers);
  await settle();
  const idleRss = residentBytes();
  resetPeak();
  phases.begin();
  await Promise.all(Array.from({ length: depth }, loop));
  const peakRss = peakBytes();
  const used = phases.measured();
  if (used.operations === 0) throw new Error('not one operation finished in the measured time');
  return {
    operations: used.operations,
    seconds: used.seconds,
    operationsPerSecond: used.operations / used.seconds,
    cpuPerOperation: used.cpuMicros / used.operations,
    ...latencies.percentiles(),
    idleRss,
    peakRss,
  };
}

async function main(request: LoadRequest): Promise<void> {
  // A server that stops answering must not leave this process behind.
  const limit = (request.warmupSeconds + request.seconds + 50) * 1000;
  setTimeout(() => {
    console.error(`${request.contender}: not finished in time`);
    process.exit(1);
  }, limit);
  const contender = await loadContender(request.contender);
  const inFlight = request.depth * (request.operation === 'getmany' ? request.batch : 1);
  const { host, ports, authority, valueSize } = request;
  const client = await contender.open({ host, ports, authority, inFlight, valueSize });
  if (request.preload) {
    await preload(client, contender, makeKeys(request.keyPrefix, request.keyCount), request.valueSize);
  } else {
    console.log(JSON.stringify(await measure(client, contender, request)));
  }
  await Promise.race([client.close(), new Promise((resolve) => setTimeout(resolve, closeMilliseconds))]);
}

const request: LoadRequest = JSON.parse(process.argv[2] ?? '{}');
try {
  await main(request);
  process.exit(0);
} catch (error) {
  console.error(`${request.contender}:`, error);
  process.exit(1);
}
