import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { loadProfiles, parseProfiles, type WorkloadProfile } from '../../lib/workload/profile.ts';

const table = readFileSync(new URL('../../data/production-cache-workloads.csv', import.meta.url), 'utf8');
const header = table.slice(0, table.indexOf('\n'));
const profiles = loadProfiles();

function profile(name: string): WorkloadProfile {
  const found = profiles.find((candidate) => candidate.name === name);
  assert.ok(found, `${name} is in the table`);
  return found;
}

function sum(entries: readonly { share: number }[]): number {
  return entries.reduce((total, entry) => total + entry.share, 0);
}

describe('the table of production workloads', () => {
  it('has 54 clusters, named in order', () => {
    assert.deepEqual(
      profiles.map((entry) => entry.name),
      Array.from({ length: 54 }, (_, index) => `cluster${index + 1}`),
    );
  });

  it('gives every cluster a mix, times to live and sizes that can be replayed', () => {
    for (const entry of profiles) {
      assert.ok(Math.abs(sum(entry.operations) - 1) < 1e-9, `${entry.name} operations sum to 1`);
      assert.ok(Math.abs(sum(entry.ttls) - 1) < 1e-9, `${entry.name} times to live sum to 1`);
      assert.ok(entry.ttls.every((ttl) => Number.isInteger(ttl.item) && ttl.item > 0));
      assert.ok(entry.missRatio >= 0 && entry.missRatio <= 1);
      assert.ok(entry.keyBytes >= 10 && entry.keyBytes <= 250);
      assert.ok(entry.valueBytes >= 1 && entry.valueBytes < 1024 * 1024);
      assert.ok(entry.zipfAlpha >= 0 && Number.isFinite(entry.zipfAlpha));
    }
  });

  it('reads quoted lists, percentages and units', () => {
    const cluster52 = profile('cluster52');
    assert.equal(cluster52.category, 'storage');
    assert.equal(cluster52.missRatio, 0.0189);
    assert.equal(cluster52.keyBytes, 20);
    assert.equal(cluster52.valueBytes, 273);
    assert.equal(cluster52.zipfAlpha, 1.2117);
    assert.equal(cluster52.oneHitWonderRatio, 0.1936);
    assert.deepEqual(
      cluster52.ttls.map((ttl) => ttl.item),
      [86400, 14 * 86400, 12 * 3600],
    );
    assert.deepEqual(cluster52.assumed, []);
  });

  it('gives what the rounded shares leave over to the largest', () => {
    const shares = new Map(profile('cluster52').operations.map((entry) => [entry.item, entry.share]));
    assert.ok(Math.abs((shares.get('get') ?? 0) - 0.92) < 1e-9);
    assert.equal(shares.get('cas'), 0.02);
  });

  it('rounds fractional durations to seconds', () => {
    assert.equal(profile('cluster7').ttls[0]?.item, 6480);
    assert.equal(profile('cluster27').ttls[0]?.item, Math.round(92.6 * 86400));
  });

  it('states what it had to assume', () => {
    const cluster5 = profile('cluster5');
    assert.deepEqual(cluster5.assumed, [
      'key_bytes',
      'value_bytes',
      'common_ttl',
      'operations',
      'zipf_alpha',
    ]);
    assert.equal(cluster5.missRatio, 0.7124);
    assert.equal(cluster5.requestKqps, undefined);
    assert.deepEqual(profile('cluster21').assumed, ['miss_ratio']);
    assert.ok(Math.abs(profile('cluster21').missRatio - 0.9507) < 1e-9, 'the compulsory miss ratio');
    assert.deepEqual(profile('cluster43').assumed, ['zipf_alpha']);
    assert.deepEqual(
      profiles.filter((entry) => entry.assumed.length > 0).map((entry) => entry.name),
      ['cluster5', 'cluster21', 'cluster43', 'cluster46'],
    );
  });
});

describe('a malformed table', () => {
  const row = (fields: string) => `${header}\n${fields}\n`;

  it('is refused with the line that is wrong', () => {
    const good = 'x,0.1,1,20,100,1,1,1,1,1d:1.00,1,1,get:1.00,1';
    assert.equal(parseProfiles(row(good)).length, 1);
    for (const bad of [
      good.replace('get:1.00', 'fetch:1.00'),
      good.replace('get:1.00', 'get:2'),
      good.replace('1d:1.00', '1y:1.00'),
      good.replace('0.1,1,', '0.1,4,'),
      good.replace('0.1', 'much'),
      good.replace('20', '-20'),
      `${good},1`,
      good.replace('1d:1.00', '"1d:1.00'),
    ]) {
      assert.throws(() => parseProfiles(row(`${good}\n${bad}`)), /^SyntaxError: line 3: /, bad);
    }
  });

  it('is refused with other columns', () => {
    assert.throws(() => parseProfiles('cluster,key_bytes\nx,20\n'), /^SyntaxError: line 1: /);
  });
});
