// Does with an npm client what JSON on stdin says, and answers on stdout. A process of its own, because the timers of these
// clients go on after their end: {"client": "memjs", "servers": {"127.0.0.1:11211": 1}, "set": ["k"], "get": ["l"]} stores each
// key of the one list as its own value and answers with the values of the other.
import { createRequire } from 'node:module';
import { json } from 'node:stream/consumers';
import { promisify } from 'node:util';

/** memcached refuses what finds all connections of its pool busy. */
const AT_ONCE = 50;

const require = createRequire(import.meta.url);
const job = await json(process.stdin);
const { set, get } = { memjs, memcached }[job.client](job.servers);
const stored = await inTurn(job.set, (key) => set(key, key));
const values = await inTurn(job.get, get);
if (stored.includes(false)) throw new Error('not stored');
process.stdout.write(JSON.stringify(values.map(String)), () => process.exit());

async function inTurn(keys, call) {
  const results = [];
  for (let index = 0; index < keys.length; index += AT_ONCE)
    results.push(...(await Promise.all(keys.slice(index, index + AT_ONCE).map((key) => call(key)))));
  return results;
}

function memjs(servers) {
  const { Client } = require('memjs');
  const client = Client.create(Object.keys(servers).join(','), { timeout: 60, conntimeout: 60, retries: 0 });
  return {
    set: promisify((key, value, done) => client.set(key, value, {}, done)),
    get: promisify((key, done) => client.get(key, done)),
  };
}

function memcached(servers) {
  const Memcached = require('memcached');
  const client = new Memcached(servers, { timeout: 60_000, poolSize: AT_ONCE });
  return {
    set: promisify((key, value, done) => client.set(key, value, 0, done)),
    get: promisify((key, done) => client.get(key, done)),
  };
}
