// What an operation that fails costs in CPU, beside one that succeeds: `npm run bench:failures [-- url]`. Above three times as much an outage
// could saturate the process that meets it. Interleaved rounds, medians; exit code 1 above the limit.
import { connect } from 'evenkeel';
import { startServer } from 'evenkeel/testing';

const OPERATIONS = 10_000;
const ROUNDS = 12;
const LIMIT = 3;

await using server = await startServer({ worker: true });
await using db = await connect(process.argv[2] ?? server.url);
await using gone = await connect('memcached://127.0.0.1:1', { lazy: true, timeout: 30 });
await db.upsert('bench:there', 'x'.repeat(100));

const kinds: Record<string, () => Promise<unknown>> = {
  'get that succeeds': () => db.get('bench:there'),
  'get that times out, nobody listens': () => gone.get('bench:there').catch(() => {}),
  'insert of a key that exists': () => db.insert('bench:there', 'x').catch(() => {}),
};
const measured = new Map(Object.keys(kinds).map((kind) => [kind, [] as number[]]));

/** µs of this process's CPU for each operation; the test server's thread is not among it only where a url is given. */
async function cost(operation: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  await Promise.all(Array.from({ length: OPERATIONS }, operation));
  const { user, system } = process.cpuUsage(before);
  return (user + system) / OPERATIONS;
}

const middle = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

for (let round = 0; round < ROUNDS; round += 1)
  for (const [kind, operation] of Object.entries(kinds)) {
    const micros = await cost(operation);
    if (round > 1) measured.get(kind)?.push(micros);
  }
const [success = Number.NaN, ...failures] = [...measured.values()].map(middle);
for (const [i, [kind]] of [...measured].entries()) {
  const micros = i === 0 ? success : (failures[i - 1] as number);
  console.log(`${kind.padEnd(36)} ${micros.toFixed(2).padStart(6)} µs  ${(micros / success).toFixed(1)} ×`);
}
process.exitCode = failures.some((micros) => micros > LIMIT * success) ? 1 : 0;
