import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { performAll } from '../../lib/workload/batch.ts';
import { Run } from '../../lib/workload/driver.ts';
import { WorkloadGenerator } from '../../lib/workload/generator.ts';
import { LatencyRecorder } from '../../lib/workload/latency.ts';
import type { OperationSource } from '../../lib/workload/operation.ts';
import { loadProfiles } from '../../lib/workload/profile.ts';
import type { CacheClient } from '../../lib/workload/send.ts';

class Refusal extends Error {
  readonly code: string;
  constructor(code: string) {
    super(`refused: ${code}`);
    this.code = code;
  }
}

/** A cache in a map; every answer takes a turn of the event loop. */
class MapClient implements CacheClient {
  readonly items = new Map<string, { value: Buffer; cas: bigint }>();
  #cas = 1n;

  async get(key: string): Promise<Buffer | undefined> {
    return (await this.getRecord(key))?.value;
  }

  async getRecord(key: string): Promise<{ value: Buffer; cas: bigint } | undefined> {
    await turn();
    return this.items.get(key);
  }

  async upsert(key: string, value: Buffer, options: { cas?: bigint } = {}): Promise<void> {
    await turn();
    const found = this.items.get(key);
    if (options.cas !== undefined && found?.cas !== options.cas) {
      throw new Refusal(found === undefined ? 'EVENKEEL_KEY_NOT_FOUND' : 'EVENKEEL_CAS_MISMATCH');
    }
    this.items.set(key, { value, cas: this.#cas++ });
  }

  async insert(key: string, value: Buffer): Promise<void> {
    if (this.items.has(key)) throw new Refusal('EVENKEEL_KEY_EXISTS');
    await this.upsert(key, value);
  }

  async replace(key: string, value: Buffer): Promise<void> {
    if (!this.items.has(key)) throw new Refusal('EVENKEEL_KEY_NOT_FOUND');
    await this.upsert(key, value);
  }

  async append(key: string, value: Buffer): Promise<void> {
    const found = this.items.get(key);
    if (found === undefined) throw new Refusal('EVENKEEL_KEY_NOT_FOUND');
    await this.upsert(key, Buffer.concat([found.value, value]));
  }

  prepend(key: string, value: Buffer): Promise<void> {
    return this.append(key, value);
  }

  async increment(key: string): Promise<bigint | undefined> {
    await turn();
    const found = this.items.get(key);
    if (found === undefined) return undefined;
    const count = BigInt(found.value.toString()) + 1n;
    found.value = Buffer.from(String(count));
    return count;
  }

  decrement(key: string): Promise<bigint | undefined> {
    return this.increment(key);
  }

  async remove(key: string): Promise<boolean> {
    await turn();
    return this.items.delete(key);
  }

  async touch(key: string): Promise<boolean> {
    await turn();
    return this.items.has(key);
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function generatorOf(name: string, keys = 200): WorkloadGenerator {
  const profile = loadProfiles().find((candidate) => candidate.name === name);
  assert.ok(profile);
  return new WorkloadGenerator(profile, { keys });
}

/** Ends after so many operations, however long they take. */
function runOf(
  client: MapClient,
  generator: WorkloadGenerator,
  concurrency: number,
  operations: number,
): Run {
  let left = operations;
  const source: OperationSource = {
    next() {
      left -= 1;
      if (left === 0) run.stop();
      return generator.next();
    },
    missed: (operation) => generator.missed(operation),
    versioned: (key, cas) => generator.versioned(key, cas),
  };
  const run: Run = new Run(client, source, { concurrency, seconds: 3600 });
  return run;
}

describe('a run', () => {
  for (const name of [
    'cluster3',
    'cluster10',
    'cluster14',
    'cluster22',
    'cluster23',
    'cluster52',
    'cluster53',
  ]) {
    it(`of ${name} measures the miss ratio of its profile and leaves nothing behind`, async () => {
      const client = new MapClient();
      const generator = generatorOf(name);
      await performAll(client, generator.prefill(), 16);
      assert.equal(client.items.size, generator.residents + generator.counters);
      const tally = await runOf(client, generator, 16, 5000).complete();
      assert.deepEqual([...tally.errors], []);
      assert.ok(tally.operations >= 5000);
      assert.equal(tally.latency.summary().count, tally.operations);
      const expected = tally.reads * generator.profile.missRatio;
      const missed = tally.reads - tally.hits;
      assert.ok(
        Math.abs(missed - expected) < 5 * Math.sqrt(expected) + 5,
        `${missed} misses, not ${expected}`,
      );
      await performAll(client, generator.cleanup(), 16);
      assert.equal(client.items.size, 0);
    });
  }

  it('counts refusals as answers and failures by code', async () => {
    const client = new MapClient();
    client.get = () => Promise.reject(new Refusal('EVENKEEL_TIMEOUT'));
    const tally = await runOf(client, generatorOf('cluster52'), 8, 100).complete();
    assert.equal(tally.answered.get, 0);
    assert.ok((tally.errors.get('EVENKEEL_TIMEOUT') ?? 0) > 0);
    assert.equal(tally.messages.get('EVENKEEL_TIMEOUT'), 'refused: EVENKEEL_TIMEOUT');
    assert.equal(tally.failed, tally.errors.get('EVENKEEL_TIMEOUT'));
  });

  it('keeps the event loop turning when every operation is rejected at once', async () => {
    const client = new MapClient();
    client.get = () => Promise.reject(new Refusal('EVENKEEL_CLOSED'));
    const run = new Run(client, generatorOf('cluster3'), { concurrency: 8, seconds: 3600 });
    const timer = setTimeout(() => run.stop(), 20);
    const tally = await run.complete();
    clearTimeout(timer);
    assert.ok((tally.errors.get('EVENKEEL_CLOSED') ?? 0) > 0);
  });

  it('fills misses beside the mix where the profile has no writes', async () => {
    const tally = await runOf(new MapClient(), generatorOf('cluster3'), 4, 500).complete();
    assert.ok(tally.fills > 0);
    assert.equal(tally.answered.set, 0);
    assert.equal(tally.operations, tally.answered.get);
  });
});

describe('a run of some seconds', () => {
  it('ends after them', async () => {
    const run = new Run(new MapClient(), generatorOf('cluster3'), { concurrency: 4, seconds: 0.05 });
    await run.complete();
    assert.ok(run.elapsedMs >= 50);
  });
});

describe('a batch', () => {
  it('gives up on a server that is gone and tells why', async () => {
    const client = new MapClient();
    client.upsert = () => Promise.reject(new Refusal('EVENKEEL_CONNECTION'));
    const result = await performAll(client, generatorOf('cluster52', 10_000).prefill(), 4);
    assert.equal(result.done, 0);
    assert.ok(result.failed < 20, `${result.failed} attempts`);
    assert.equal((result.error as Refusal).code, 'EVENKEEL_CONNECTION');
  });
});

describe('a latency recorder', () => {
  it('knows percentiles to three digits on both sides of its direct range', () => {
    const recorder = new LatencyRecorder();
    for (let value = 1; value <= 100_000; value++) recorder.record(value + 0.5);
    const summary = recorder.summary();
    const close = (actual: number, expected: number) =>
      assert.ok(Math.abs(actual - expected) <= expected / 1000, `${actual}, not ${expected}`);
    close(summary.p50, 50_000);
    close(summary.p90, 90_000);
    close(summary.p99, 99_000);
    close(summary.p999, 99_900);
    assert.equal(summary.max, 100_000);
    assert.equal(summary.count, 100_000);
    assert.deepEqual(recorder.summary(), summary, 'asking changes nothing');
  });

  it('is empty before anything is recorded', () => {
    const { count, p50, max, mean } = new LatencyRecorder().summary();
    assert.deepEqual({ count, p50, max, mean }, { count: 0, p50: 0, max: 0, mean: 0 });
  });
});
