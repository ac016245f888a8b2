/**
 * The number of labels of each server on a ring, by weight. Each rule must match another client's to the last bit: a
 * different rounding loses a label and moves keys.
 */
export type Shares = (weights: readonly (number | undefined)[]) => number[];

const LABELS = 40;
const { floor, fround } = Math;

/** libmemcached and twemproxy: single precision at every step. */
export const libmemcached = proportional((weight, total, servers) => {
  const part = fround(fround(weight) / fround(total));
  const labels = fround(fround(fround(part * (LABELS * 4)) / 4) * fround(servers));
  return floor(fround(labels + fround(1e-10)));
});

/**
 * libketama: a quotient in single precision, then double, then single again. libcouchbase has no weights and does not
 * round.
 */
export const libketama = fortyOr(
  proportional((weight, total, servers) =>
    floor(fround(fround(fround(weight) / fround(total)) * LABELS * servers)),
  ),
);

/** The npm package hashring: double precision. */
export const hashring = proportional((weight, total, servers) => floor((weight / total) * LABELS * servers));

/** spymemcached: libmemcached's rule. */
export const spymemcached = fortyOr(libmemcached);

/** libmemcached's ring without weights. */
export const hundred: Shares = (weights) => weights.map(() => 100);

function proportional(labels: (weight: number, total: number, servers: number) => number): Shares {
  return (given) => {
    const weights = given.map((weight = 1) => weight);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    return weights.map((weight) => labels(weight, total, weights.length));
  };
}

/** Without weights there is nothing to round. */
function fortyOr(weighted: Shares): Shares {
  return (weights) =>
    weights.some((weight) => weight !== undefined) ? weighted(weights) : weights.map(() => LABELS);
}
