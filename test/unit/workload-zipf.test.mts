import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Random } from '../../lib/workload/random.ts';
import { Zipf } from '../../lib/workload/zipf.ts';

/** Pearson's statistic of a sample against exact probabilities, with ranks pooled until each pool expects 20 draws. */
function chiSquare(
  n: number,
  exponent: number,
  draws: number,
  seed: number,
): { statistic: number; freedom: number } {
  const zipf = new Zipf(n, exponent);
  const random = new Random(seed);
  const seen = new Float64Array(n + 1);
  for (let draw = 0; draw < draws; draw++) {
    const rank = zipf.sample(random);
    assert.ok(Number.isInteger(rank) && rank >= 1 && rank <= n, `rank ${rank}`);
    seen[rank] = (seen[rank] ?? 0) + 1;
  }
  let norm = 0;
  for (let rank = 1; rank <= n; rank++) norm += rank ** -exponent;
  let statistic = 0;
  let pools = 0;
  let expected = 0;
  let observed = 0;
  let probabilityLeft = 1;
  for (let rank = 1; rank <= n; rank++) {
    const probability = rank ** -exponent / norm;
    expected += draws * probability;
    observed += seen[rank] ?? 0;
    probabilityLeft -= probability;
    const lastPool = rank === n;
    if ((expected >= 20 && draws * probabilityLeft >= 20) || lastPool) {
      statistic += (observed - expected) ** 2 / expected;
      pools++;
      expected = 0;
      observed = 0;
    }
  }
  return { statistic, freedom: pools - 1 };
}

/** The value a chi-square statistic exceeds with probability 0.0001, after Wilson and Hilferty (1931). */
function limit(freedom: number): number {
  const z = 3.719;
  return freedom * (1 - 2 / (9 * freedom) + z * Math.sqrt(2 / (9 * freedom))) ** 3;
}

describe('a Zipf sampler', () => {
  for (const exponent of [0, 0.3048, 0.5, 0.9929, 1, 1.2, 2.1, 2.6774]) {
    for (const n of [2, 10, 1000, 20_000]) {
      it(`draws ranks 1 … ${n} with exponent ${exponent} by their exact probabilities`, () => {
        const { statistic, freedom } = chiSquare(n, exponent, 300_000, 7);
        assert.ok(statistic < limit(freedom), `chi-square ${statistic} at ${freedom} degrees of freedom`);
      });
    }
  }

  it('notices a wrong exponent by the same test', () => {
    const zipf = new Zipf(1000, 1.2);
    const random = new Random(7);
    let first = 0;
    for (let draw = 0; draw < 300_000; draw++) if (zipf.sample(random) === 1) first++;
    let norm = 0;
    for (let rank = 1; rank <= 1000; rank++) norm += rank ** -1.22;
    const expected = 300_000 / norm;
    assert.ok((first - expected) ** 2 / expected > limit(1));
  });

  it('always draws 1 from a single rank', () => {
    const random = new Random(1);
    for (const exponent of [0, 1, 3]) assert.equal(new Zipf(1, exponent).sample(random), 1);
  });

  it('stays in range for 2^40 ranks and reaches the far half when uniform', () => {
    const n = 2 ** 40;
    for (const exponent of [0, 0.5, 1, 1 + 1e-9, 1.5, 5, 30]) {
      const zipf = new Zipf(n, exponent);
      const random = new Random(3);
      let far = 0;
      for (let draw = 0; draw < 2000; draw++) {
        const rank = zipf.sample(random);
        assert.ok(rank >= 1 && rank <= n && Number.isInteger(rank), `rank ${rank} at ${exponent}`);
        if (rank > n / 2) far++;
      }
      if (exponent === 0) assert.ok(far > 900 && far < 1100, `${far} of 2000`);
    }
  });

  it('refuses negative exponents and empty ranges', () => {
    assert.throws(() => new Zipf(10, -0.1), RangeError);
    assert.throws(() => new Zipf(10, Number.NaN), RangeError);
    assert.throws(() => new Zipf(0, 1), RangeError);
    assert.throws(() => new Zipf(1.5, 1), RangeError);
  });
});

describe('the random numbers of a workload', () => {
  it('are the same for the same seed and others for another', () => {
    const draw = (seed: number) => {
      const random = new Random(seed);
      return Array.from({ length: 8 }, () => random.uint32());
    };
    assert.deepEqual(draw(42), draw(42));
    const starts = new Set([0, 1, 2, -1, 0.5, 1.5, 2 ** 32, 2 ** 33].map((seed) => draw(seed).join()));
    assert.equal(starts.size, 8);
  });

  it('are uniform', () => {
    const random = new Random(5);
    const seen = new Float64Array(256);
    for (let draw = 0; draw < 256_000; draw++) {
      const slot = random.below(256);
      seen[slot] = (seen[slot] ?? 0) + 1;
    }
    const statistic = seen.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
    assert.ok(statistic < limit(255), `chi-square ${statistic}`);
  });

  it('stay below 1', () => {
    const random = new Random(9);
    for (let draw = 0; draw < 10_000; draw++) {
      const unit = random.unit53();
      assert.ok(unit >= 0 && unit < 1);
    }
  });
});
