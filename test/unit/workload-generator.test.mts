import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AliasTable, normalise } from '../../lib/workload/alias.ts';
import { WorkloadGenerator } from '../../lib/workload/generator.ts';
import { KeyNames } from '../../lib/workload/keys.ts';
import type { Operation } from '../../lib/workload/operation.ts';
import { loadProfiles, type WorkloadProfile } from '../../lib/workload/profile.ts';
import { Random } from '../../lib/workload/random.ts';

const profiles = loadProfiles();

function profile(name: string): WorkloadProfile {
  const found = profiles.find((candidate) => candidate.name === name);
  assert.ok(found);
  return found;
}

function take(generator: WorkloadGenerator, count: number): Operation[] {
  return Array.from({ length: count }, () => generator.next());
}

/** The count of every kind in a stream whose `gets` are all answered. */
function mixOf(generator: WorkloadGenerator, count: number): Map<string, number> {
  const counts = new Map<string, number>();
  for (let index = 0; index < count; index++) {
    const operation = generator.next();
    if (operation.kind === 'gets') generator.versioned(operation.key, 1n);
    counts.set(operation.kind, (counts.get(operation.kind) ?? 0) + 1);
  }
  return counts;
}

describe('an alias table', () => {
  it('draws by the shares, the rest going to the largest', () => {
    const entries = [
      { item: 'a', share: 0.5 },
      { item: 'b', share: 0.2 },
      { item: 'c', share: 0.01 },
    ];
    const table = new AliasTable(entries);
    const random = new Random(11);
    const counts = { a: 0, b: 0, c: 0 };
    for (let draw = 0; draw < 100_000; draw++) counts[table.sample(random) as keyof typeof counts]++;
    assert.ok(Math.abs(counts.a - 79_000) < 600, `${counts.a}`);
    assert.ok(Math.abs(counts.b - 20_000) < 600, `${counts.b}`);
    assert.ok(Math.abs(counts.c - 1000) < 150, `${counts.c}`);
  });

  it('scales shares that sum to more than 1', () => {
    const mix = normalise([
      { item: 'a', share: 0.6 },
      { item: 'b', share: 0.6 },
    ]);
    assert.deepEqual(
      mix.map((entry) => entry.share),
      [0.5, 0.5],
    );
  });

  it('refuses an empty mix', () => {
    assert.throws(() => new AliasTable([]), RangeError);
    assert.throws(() => normalise([{ item: 'a', share: 0 }]), RangeError);
  });
});

describe('key names', () => {
  it('have the length they are asked for and are all different', () => {
    for (const bytes of [8, 10, 44, 122]) {
      const names = new KeyNames('k', 'cluster9', bytes);
      const seen = new Set<string>();
      for (let number = 0; number < 50_000; number++) seen.add(names.name(number));
      seen.add(names.name(names.capacity - 1));
      assert.equal(seen.size, 50_001);
      for (const name of seen) assert.match(name, new RegExp(`^k09[0-9a-z]{${bytes - 3}}$`));
    }
  });

  it('differ between workloads and populations', () => {
    const names = [
      new KeyNames('k', 'cluster1', 20),
      new KeyNames('t', 'cluster1', 20),
      new KeyNames('k', 'cluster2', 20),
    ];
    assert.equal(new Set(names.map((entry) => entry.name(5))).size, 3);
  });
});

describe('the stream of a profile', () => {
  it('repeats itself for the same seed and differs for another', () => {
    const stream = (seed: number) => take(new WorkloadGenerator(profile('cluster52'), { seed }), 5000);
    assert.deepEqual(stream(3), stream(3));
    assert.notDeepEqual(stream(3), stream(4));
  });

  for (const entry of profiles) {
    it(`has the mix, sizes, times to live and misses of ${entry.name}`, () => {
      const generator = new WorkloadGenerator(entry, { keys: 1000, seed: 2 });
      const draws = 20_000;
      const counts = mixOf(generator, draws);
      for (const { item, share } of entry.operations) {
        // A gets that meant a cas and the few appends that become sets stay within this tolerance, too.
        const tolerance = 5 * Math.sqrt(draws * share) + 20;
        assert.ok(
          Math.abs((counts.get(item) ?? 0) - draws * share) < tolerance,
          `${item}: ${counts.get(item)}`,
        );
      }
      const ttls = new Set(entry.ttls.map((ttl) => ttl.item));
      let reads = 0;
      let absent = 0;
      for (const operation of take(generator, draws)) {
        assert.equal(operation.key.length, entry.keyBytes);
        if (operation.kind === 'set' || operation.kind === 'add') {
          assert.equal(operation.value.length, entry.valueBytes);
          assert.ok(ttls.has(operation.expiry.ttl));
        }
        if (operation.kind !== 'get' && operation.kind !== 'gets') continue;
        reads++;
        if (operation.transient) absent++;
      }
      const expected = reads * entry.missRatio;
      assert.ok(
        Math.abs(absent - expected) <= 5 * Math.sqrt(expected) + 5,
        `${absent} of ${reads} reads absent`,
      );
    });
  }

  it('reads only keys that were stored before, except for those meant to miss', () => {
    const generator = new WorkloadGenerator(profile('cluster23'), { keys: 500 });
    const stored = new Set([...generator.prefill()].map((operation) => operation.key));
    assert.equal(stored.size, generator.residents + generator.counters);
    const absentSeen = new Set<string>();
    for (const operation of take(generator, 20_000)) {
      if (operation.kind === 'delete' || operation.kind === 'set') continue;
      assert.equal(stored.has(operation.key), !operation.transient);
      if (!operation.transient) continue;
      assert.ok(!absentSeen.has(operation.key), 'an absent key is never read again');
      absentSeen.add(operation.key);
    }
  });

  for (const name of ['cluster52', 'cluster17', 'cluster10']) {
    it(`reads the hottest key of ${name} as often as its Zipf exponent says`, () => {
      const { zipfAlpha } = profile(name);
      const generator = new WorkloadGenerator(profile(name), { keys: 1000 });
      const [hottest] = generator.prefill();
      const weights = Array.from({ length: generator.residents }, (_, i) => (i + 1) ** -zipfAlpha);
      const share = 1 / weights.reduce((sum, weight) => sum + weight, 0);
      const reads = take(generator, 50_000).filter(({ kind, transient }) => kind === 'get' && !transient);
      const hits = reads.filter(({ key }) => key === hottest?.key).length;
      const expected = reads.length * share;
      assert.ok(Math.abs(hits - expected) < 5 * Math.sqrt(expected) + 5, `${hits}, not ${expected}`);
    });
  }

  it('bounds the key space by the memory it takes', () => {
    const large = new WorkloadGenerator(profile('cluster50'), { memoryBytes: 10 * (60 + 18 + 67_485) });
    assert.equal(large.residents, 10);
    assert.equal(new WorkloadGenerator(profile('cluster50'), { memoryBytes: 1 }).residents, 1);
    assert.equal(new WorkloadGenerator(profile('cluster52'), { keys: 77 }).residents, 77);
  });
});

describe('a miss', () => {
  it('is filled by the next set or add of a profile that has them', () => {
    const generator = new WorkloadGenerator(profile('cluster10'), { keys: 100 });
    const read = take(generator, 100).find((operation) => operation.kind === 'get' && operation.transient);
    assert.ok(read);
    assert.equal(generator.missed(read), undefined);
    const fill = take(generator, 100).find((operation) => operation.kind === 'add');
    assert.equal(fill?.key, read.key);
  });

  it('is filled at once in a profile without', () => {
    const generator = new WorkloadGenerator(profile('cluster3'), { keys: 100 });
    const read = generator.next();
    const fill = generator.missed(read);
    assert.equal(fill?.kind, 'set');
    assert.equal(fill?.key, read.key);
    assert.equal(fill?.value.length, 120);
  });

  it('leaves no more keys behind than twice the key space, and cleanup names all of them', () => {
    const generator = new WorkloadGenerator(profile('cluster10'), { keys: 50 });
    const stored = new Set([...generator.prefill()].map((operation) => operation.key));
    for (let index = 0; index < 5000; index++) {
      const operation = generator.next();
      if (operation.kind === 'get' && operation.transient) generator.missed(operation);
      else if (operation.kind === 'add') {
        if (operation.transient) assert.ok(!stored.has(operation.key), 'the add of a missed key stores it');
        stored.add(operation.key);
        if (operation.evicts) stored.delete(operation.evicts.key);
      }
    }
    assert.ok(stored.size <= 100, `${stored.size} keys`);
    const removed = new Set([...generator.cleanup()].map((operation) => operation.key));
    assert.deepEqual(removed, stored);
  });
});

describe('special operations', () => {
  it('compare and swap the version a gets has found', () => {
    const generator = new WorkloadGenerator(profile('cluster25'), { keys: 100 });
    const kinds = new Set(take(generator, 2000).map((operation) => operation.kind));
    assert.ok(!kinds.has('cas'), 'no version, no cas');
    generator.versioned('some-key', 99n);
    const swap = take(generator, 2000).filter((operation) => operation.kind === 'cas');
    assert.deepEqual(
      swap.map(({ key, cas }) => ({ key, cas })),
      [{ key: 'some-key', cas: 99n }],
    );
  });

  it('count on short values themselves, as numbers of their size', () => {
    const generator = new WorkloadGenerator(profile('cluster22'), { keys: 100 });
    assert.equal(generator.counters, 0);
    for (const { value } of generator.prefill()) assert.match(value.toString(), /^[1-9]\d{3}$/);
    const counted = take(generator, 500).find((operation) => operation.kind === 'incr');
    assert.match(counted?.key ?? '', /^k/);
  });

  it('count on keys of their own beside long values', () => {
    const generator = new WorkloadGenerator(profile('cluster23'), { keys: 100 });
    assert.equal(generator.counters, 100);
    const counted = take(generator, 500).find((operation) => operation.kind === 'incr');
    assert.match(counted?.key ?? '', /^c/);
  });

  it('never let prepends outgrow twice the value', () => {
    const entry = { ...profile('cluster53'), operations: [{ item: 'prepend', share: 1 }] } as const;
    const generator = new WorkloadGenerator(entry, { keys: 1 });
    let size = entry.valueBytes;
    for (const operation of take(generator, 1000)) {
      size = operation.kind === 'set' ? operation.value.length : size + operation.value.length;
      assert.ok(size <= 2 * entry.valueBytes + 64, `${size} bytes`);
    }
  });
});
