import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { connect } from '../../lib/connect.ts';
import { ClusterStatus, startCluster, startServer, type TestServer } from '../../lib/testing/index.ts';
import { type Ended, inProcess } from '../faults/elsewhere.mts';
import { models } from '../faults/harness.mts';

// A process that hangs is killed after a minute, so whatever ends by itself ends far below that.
function assertEnded(ended: Ended, code: number, lines?: readonly string[]): void {
  assert.deepEqual({ code: ended.code, signal: ended.signal }, { code, signal: null }, ended.stderr);
  if (lines !== undefined) assert.deepEqual(ended.lines, lines);
}

let server: TestServer;
let silent: TestServer;
before(async () => {
  server = await startServer();
  silent = await startServer();
  // Shakes hands, then never answers.
  await silent.fault({ opcode: ['get', 'set'], action: { kind: 'hang' } });
});
after(async () => {
  await server.close();
  await silent.close();
});

for (const model of models) {
  describe(`the process of a ${model} base`, () => {
    test('ends by itself with a lazy client that nobody uses, whether there is a server or not', async () => {
      for (const url of [server.url, 'memcached://127.0.0.1:1']) {
        const ended = await inProcess(
          async ({ evenkeel, say }, { url, model }) => {
            const eventBase = model === 'host' ? evenkeel.EventBase.host : evenkeel.EventBase.create();
            await evenkeel.connect(url, { eventBase, lazy: true, connectTimeout: 2 ** 31 - 1 });
            process.on('exit', () => say('exit'));
          },
          { url, model },
        );
        assertEnded(ended, 0, ['exit']);
      }
    });

    test('ends by itself with an idle client, nothing closed', async () => {
      const ended = await inProcess(
        async ({ evenkeel, say }, { url, model }) => {
          const eventBase = model === 'host' ? evenkeel.EventBase.host : evenkeel.EventBase.create();
          const db = await evenkeel.connect(url, { eventBase });
          await db.upsert('k', 'v');
          say(String(await db.get('k')));
          process.on('exit', () => say('exit'));
        },
        { url: server.url, model },
      );
      assertEnded(ended, 0, ['v', 'exit']);
    });

    test('ends by itself while an endpoint of discovery is asked and says nothing', async () => {
      await using endpoint = await startServer();
      const port = endpoint.url.slice(endpoint.url.lastIndexOf(':') + 1);
      await using db = await connect(endpoint.url);
      await db.upsert('AmazonElastiCache:cluster', `1\n127.0.0.1||${port}\n`);
      await endpoint.fault({ opcode: 'get', nth: 2, action: { kind: 'hang' } });
      const ended = await inProcess(
        async ({ evenkeel, say }, { url, model }) => {
          const eventBase = model === 'host' ? evenkeel.EventBase.host : evenkeel.EventBase.create();
          await evenkeel.connect(url, { eventBase, discovery: { interval: 1 }, connectTimeout: 2 ** 31 - 1 });
          eventBase.ref();
          eventBase.timer(50, () => {
            say('asked');
            eventBase.unref();
          });
        },
        { url: endpoint.url, model },
      );
      assertEnded(ended, 0, ['asked']);
      await db.close();
    });

    test('ends by itself with timers, watchers and signals pending', async () => {
      const ended = await inProcess(({ evenkeel, say }, model) => {
        const { EventBase } = evenkeel;
        const base = model === 'host' ? EventBase.host : EventBase.create();
        base.timer(30_000, () => say('timer'));
        base.signal('SIGUSR2', () => say('signal'));
        base.watch(1, {}, () => {});
        base.ref();
        base.unref();
        base.unref();
      }, model);
      assertEnded(ended, 0, []);
    });

    test('stays for as long as base.ref() holds', async () => {
      const ended = await inProcess(({ evenkeel, say }, model) => {
        const { EventBase } = evenkeel;
        const base = model === 'host' ? EventBase.host : EventBase.create();
        base.ref();
        base.ref();
        base.unref();
        base.timer(50, () => {
          say('timer');
          base.unref();
        });
        base.timer(30_000, () => say('too late'));
      }, model);
      assertEnded(ended, 0, ['timer']);
    });

    test('stays for operations under way, and ends when the last one is settled', async () => {
      const ended = await inProcess(
        async ({ evenkeel, say }, { url, model }) => {
          const eventBase = model === 'host' ? evenkeel.EventBase.host : evenkeel.EventBase.create();
          const db = await evenkeel.connect(url, { eventBase });
          db.get('a', { timeout: 100 }).catch((error) => say(`get ${error.code}`));
          db.upsert('b', 1, { timeout: 200 }).catch((error) => say(`upsert ${error.code}`));
        },
        { url: silent.url, model },
      );
      assertEnded(ended, 0, ['get EVENKEEL_TIMEOUT', 'upsert EVENKEEL_TIMEOUT']);
    });

    test('stays for operations that wait for a connection', async () => {
      const ended = await inProcess(async ({ evenkeel, say }, model) => {
        const eventBase = model === 'host' ? evenkeel.EventBase.host : evenkeel.EventBase.create();
        const db = await evenkeel.connect('memcached://127.0.0.1:1', {
          lazy: true,
          connectTimeout: 20,
          eventBase,
        });
        await new Promise((resolve) => setTimeout(resolve, 50));
        db.get('a', { timeout: 150 }).catch((error) => say(`get ${error.code} ${error.cause?.code}`));
      }, model);
      assertEnded(ended, 0, ['get EVENKEEL_TIMEOUT ECONNREFUSED']);
    });

    test('stays for operations that wait for the id of a collection or are sent again', async () => {
      await using cluster = await startCluster({ collections: { shop: ['orders'] } });
      const status = ClusterStatus.temporaryFailure;
      await cluster.fault({ opcode: 'set', times: 1, action: { kind: 'status', status } });
      const ended = await inProcess(
        async ({ evenkeel, say }, { url, model }) => {
          const eventBase = model === 'host' ? evenkeel.EventBase.host : evenkeel.EventBase.create();
          const login = { username: 'Administrator', password: 'password' };
          const db = await evenkeel.connect(url, { ...login, eventBase, connectTimeout: 30_000 });
          await db.scope('shop').collection('orders').upsert('k', 1, { timeout: 30_000 });
          say('written');
        },
        { url: cluster.url as `couchbase://${string}`, model },
      );
      assertEnded(ended, 0, ['written']);
    });

    test('stays until the last one of a crowd has failed', async () => {
      const ended = await inProcess(
        async ({ evenkeel, say }, { url, model }) => {
          const eventBase = model === 'host' ? evenkeel.EventBase.host : evenkeel.EventBase.create();
          const db = await evenkeel.connect(url, { eventBase });
          let failed = 0;
          for (let i = 0; i < 2000; i += 1) db.get('k', { timeout: 20 }).catch(() => (failed += 1));
          process.on('exit', () => say(String(failed)));
        },
        { url: silent.url, model },
      );
      assertEnded(ended, 0, ['2000']);
    });

    test('does not stay for a client that cannot connect', async () => {
      const ended = await inProcess(async ({ evenkeel, say }, model) => {
        const eventBase = model === 'host' ? evenkeel.EventBase.host : evenkeel.EventBase.create();
        await evenkeel.connect('memcached://127.0.0.1:1', { lazy: true, connectTimeout: 50, eventBase });
        say('lazy');
      }, model);
      assertEnded(ended, 0, ['lazy']);
    });

    for (const way of [
      'process.exit',
      'uncaught exception',
      'unhandled rejection',
      'abandoned top level',
    ] as const) {
      test(`ends with operations under way: ${way}`, async () => {
        const ended = await inProcess(
          async ({ evenkeel, say }, { url, model, way }) => {
            const eventBase = model === 'host' ? evenkeel.EventBase.host : evenkeel.EventBase.create();
            const db = await evenkeel.connect(url, { eventBase, maxInFlight: 500 });
            for (let i = 0; i < 1000; i += 1) {
              db.get(`k${i}`, { timeout: 500 }).catch(() => {});
              db.upsert(`k${i}`, Buffer.alloc(i % 100 === 0 ? 100_000 : 10), { timeout: 500 }).catch(
                () => {},
              );
            }
            await new Promise((resolve) => setImmediate(resolve));
            say('under way');
            if (way === 'process.exit') process.exit(7);
            if (way === 'uncaught exception') {
              setImmediate(() => {
                throw new Error('on purpose');
              });
            }
            if (way === 'unhandled rejection') void Promise.reject(new Error('on purpose'));
          },
          { url: silent.url, model, way },
        );
        const codes = {
          'process.exit': 7,
          'uncaught exception': 1,
          'unhandled rejection': 1,
          'abandoned top level': 0,
        };
        assertEnded(ended, codes[way], ['under way']);
        if (codes[way] === 1) assert.match(ended.stderr, /on purpose/);
      });
    }

    test('exits from inside a callback of the base and from a continuation of an operation', async () => {
      for (const place of ['timer', 'operation', 'uncaught in timer', 'exit handler'] as const) {
        const ended = await inProcess(
          async ({ evenkeel }, { url, model, place }) => {
            const base = model === 'host' ? evenkeel.EventBase.host : evenkeel.EventBase.create();
            const db = await evenkeel.connect(url, { eventBase: base });
            for (let i = 0; i < 100; i += 1) db.get(`k${i}`).catch(() => {});
            base.ref();
            if (place === 'timer') base.timer(1, () => process.exit(9));
            if (place === 'operation') db.get('k').then(() => process.exit(9));
            if (place === 'uncaught in timer') {
              process.on('uncaughtException', () => process.exit(9));
              base.timer(1, () => {
                throw new Error('on purpose');
              });
            }
            if (place === 'exit handler') {
              process.on('exit', () => {
                db.get('late').catch(() => {});
                void db.close();
                void base.close();
              });
              process.exit(9);
            }
          },
          { url: server.url, model, place },
        );
        assertEnded(ended, 9);
      }
    });

    test('ends by itself once everything is closed, with nothing left', async () => {
      const ended = await inProcess(
        async ({ evenkeel, addon, say }, { url, model }) => {
          const base = model === 'host' ? evenkeel.EventBase.host : evenkeel.EventBase.create();
          const db = await evenkeel.connect(url, { eventBase: base });
          base.ref(); // also with a reference never given back
          await db.get('k');
          await db.close();
          await base.close();
          say(JSON.stringify(Object.values(addon.loadAddon().counters()).filter((count) => count !== 0)));
        },
        { url: server.url, model },
      );
      assertEnded(ended, 0, ['[]']);
    });

    test('dies of a signal only when nobody watches it any more', async () => {
      const ended = await inProcess(async ({ evenkeel, say }, model) => {
        const base = model === 'host' ? evenkeel.EventBase.host : evenkeel.EventBase.create();
        base.ref();
        const watcher = base.signal('SIGTERM', async () => {
          say('heard');
          watcher.cancel();
          await base.stats();
          process.kill(process.pid, 'SIGTERM');
        });
        await base.stats();
        process.kill(process.pid, 'SIGTERM');
      }, model);
      assert.deepEqual([ended.code, ended.signal, ended.lines], [null, 'SIGTERM', ['heard']]);
    });

    test('ends, and waits for no timeout, when a lazy client that never connected is closed', async () => {
      const ended = await inProcess(async ({ evenkeel }, model) => {
        const eventBase = model === 'host' ? evenkeel.EventBase.host : evenkeel.EventBase.create();
        const db = await evenkeel.connect('memcached://127.0.0.1:1', {
          lazy: true,
          connectTimeout: 600_000,
          eventBase,
        });
        await db.close();
      }, model);
      assertEnded(ended, 0); // it would have been killed
    });
  });
}

test('importing the package keeps nothing alive and starts nothing', async () => {
  const ended = await inProcess(({ evenkeel, say }) => say(typeof evenkeel.connect));
  assertEnded(ended, 0, ['function']);
});
