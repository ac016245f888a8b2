import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  constants,
  fstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { ClosedError, InvalidArgumentError } from '../../lib/errors.ts';
import { inProcess } from '../faults/elsewhere.mts';
import { assertNothingLeft, models, openBase, turn, until } from '../faults/harness.mts';

const folder = mkdtempSync(path.join(tmpdir(), 'evenkeel-watch-'));
let pipes = 0;

after(async () => {
  rmSync(folder, { recursive: true });
  await assertNothingLeft();
});

/** The two ends of a pipe; neither blocks. */
function openPipe() {
  const name = path.join(folder, `pipe-${pipes++}`);
  execFileSync('mkfifo', [name]);
  const reader = openSync(name, constants.O_RDONLY | constants.O_NONBLOCK);
  const writer = openSync(name, constants.O_WRONLY | constants.O_NONBLOCK);
  let writerOpen = true;
  const closeWriter = (): void => {
    if (writerOpen) closeSync(writer);
    writerOpen = false;
  };
  return {
    reader,
    writer,
    write: (text: string) => writeSync(writer, text),
    read: (): string => {
      const buffer = Buffer.alloc(65536);
      return buffer.toString('latin1', 0, readSync(reader, buffer));
    },
    fill: (): void => {
      try {
        for (;;) writeSync(writer, Buffer.alloc(65536));
      } catch (error) {
        assert.equal((error as NodeJS.ErrnoException).code, 'EAGAIN');
      }
    },
    closeWriter,
    [Symbol.dispose]() {
      closeWriter();
      closeSync(reader);
    },
  };
}

/** A TCP connection with the descriptor of an end that Node has not begun to read. */
async function openSockets() {
  const server = createServer({ pauseOnConnect: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const far = connect(address.port, '127.0.0.1');
  const [near] = await accepted;
  const { fd } = (near as unknown as { _handle: { fd: number } })._handle;
  return {
    fd,
    near,
    far,
    [Symbol.dispose]() {
      near.destroy();
      far.destroy();
      server.close();
    },
  };
}

/** Whether any epoll instance of this process has the file of this inode. */
function isPolled(inode: number): boolean {
  const hexadecimal = new RegExp(`^tfd:.* ino:${inode.toString(16)} `, 'm');
  return readdirSync('/proc/self/fdinfo').some((fd) => {
    try {
      return hexadecimal.test(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'));
    } catch {
      return false; // the descriptor with which the folder was read
    }
  });
}

for (const model of models) {
  describe(`watching descriptors on a ${model} base`, () => {
    test('tells of a pipe that became readable, again for as long as there is something to read', async () => {
      await using base = openBase(model);
      using pipe = openPipe();
      base.ref();
      let calls = 0;
      let text = '';
      using watcher = base.watch(pipe.reader, {}, (ready) => {
        assert.deepEqual(ready, { readable: true, writable: false });
        calls += 1;
        if (calls === 3) text += pipe.read();
      });
      pipe.write('hello');
      await until(() => text === 'hello', 'three looks');
      await turn();
      await turn();
      assert.equal(calls, 3); // read empty: silent
      pipe.write('again');
      await until(() => calls > 3, 'more to read');
      watcher.cancel();
    });

    test('tells of the writer gone', async () => {
      await using base = openBase(model);
      using pipe = openPipe();
      base.ref();
      let ended = false;
      const watcher = base.watch(pipe.reader, { readable: true }, () => {
        ended = pipe.read() === '';
        watcher.cancel();
      });
      pipe.closeWriter();
      await until(() => ended, 'the end of the pipe');
    });

    test('tells of a full pipe only when it has room again', async () => {
      await using base = openBase(model);
      using pipe = openPipe();
      base.ref();
      pipe.fill();
      let calls = 0;
      const watcher = base.watch(pipe.writer, { writable: true }, (ready) => {
        assert.deepEqual(ready, { readable: false, writable: true });
        calls += 1;
        watcher.cancel();
      });
      await base.stats(); // one round trip through the base
      assert.equal(calls, 0);
      pipe.read();
      await until(() => calls === 1, 'room to write');
    });

    test('watches the descriptor of a socket that Node watches as well', async () => {
      await using base = openBase(model);
      using sockets = await openSockets();
      base.ref();
      const seen: string[] = [];
      using watcher = base.watch(sockets.fd, {}, () => {
        seen.push('base');
        watcher.cancel();
        sockets.near.on('data', (data) => seen.push(data.toString())).resume();
      });
      sockets.far.write('hello');
      await until(() => seen.length === 2, 'both hear of it');
      assert.deepEqual(seen, ['base', 'hello']);
    });

    test('a socket is at once writable and tells both when asked for both', async () => {
      await using base = openBase(model);
      using sockets = await openSockets();
      base.ref();
      const seen: string[] = [];
      using watcher = base.watch(sockets.fd, { readable: true, writable: true }, (ready) => {
        seen.push(`${ready.readable} ${ready.writable}`);
      });
      await until(() => seen.includes('false true'), 'writable');
      sockets.far.write('x');
      await until(() => seen.includes('true true'), 'readable as well');
      watcher.cancel();
    });

    test('is silent after cancel, and the descriptor may be watched anew, also from inside the callback', async () => {
      await using base = openBase(model);
      using pipe = openPipe();
      base.ref();
      pipe.write('x');
      const seen: string[] = [];
      base.watch(pipe.reader, {}, () => seen.push('cancelled')).cancel();
      const first = base.watch(pipe.reader, {}, () => {
        seen.push('first');
        first.cancel();
        const second = base.watch(pipe.reader, {}, () => {
          seen.push('second');
          second.cancel();
        });
      });
      await until(() => seen.includes('second'), 'the second watcher');
      await turn();
      assert.deepEqual(seen, ['first', 'second']);
    });

    test('a number that was closed and given out again speaks of the new file only', async () => {
      await using base = openBase(model);
      base.ref();
      const seen: string[] = [];
      const old = openPipe();
      old.write('x');
      const watcher = base.watch(old.reader, {}, () => seen.push('old'));
      watcher.cancel();
      old[Symbol.dispose]();
      using anew = openPipe();
      assert.equal(anew.reader, old.reader);
      using another = base.watch(anew.reader, {}, () => {
        seen.push('new');
        another.cancel();
      });
      anew.write('y');
      await until(() => seen.includes('new'), 'the new pipe');
      assert.deepEqual(seen, ['new']);
    });

    // The kernel knows the open file, not the number: what a child holds too could not be taken back after the close.
    const onLinux = process.platform === 'linux' ? test : test.skip;
    onLinux('nothing looks at a descriptor any more when cancel() has returned', async () => {
      await using base = openBase(model);
      using pipe = openPipe();
      const { ino } = fstatSync(pipe.reader);
      for (let i = 0; i < 50; i += 1) {
        const fd = openSync(`/proc/self/fd/${pipe.reader}`, constants.O_RDONLY | constants.O_NONBLOCK);
        const watcher = base.watch(fd, {}, () => {});
        assert.ok(isPolled(ino));
        watcher.cancel();
        assert.ok(!isPolled(ino));
        closeSync(fd);
      }
    });

    onLinux(
      'without a descriptor to be had it watches; a base that needs some is refused for that reason',
      async () => {
        const ended = await inProcess(async ({ evenkeel, say }, threaded) => {
          const { execFileSync } = await import('node:child_process');
          const fs = await import('node:fs');
          const { EventBase, ResourceError, InvalidArgumentError } = evenkeel;
          const base = threaded ? EventBase.create() : EventBase.host;
          execFileSync('prlimit', ['--pid', String(process.pid), '--nofile=64']);
          const held: number[] = [];
          try {
            for (;;) held.push(fs.openSync('/dev/null', 'r'));
          } catch {}
          base.watch(1, {}, () => {}).cancel();
          try {
            EventBase.create();
          } catch (error) {
            const { retryable, message } = error as InstanceType<typeof ResourceError>;
            say(
              `${error instanceof ResourceError} ${error instanceof InvalidArgumentError} ${retryable} ${message}`,
            );
          }
          for (const fd of held) fs.closeSync(fd);
          await EventBase.create().close();
          say('and then it is made');
        }, model === 'thread');
        assert.deepEqual(ended.lines, [
          'true false true the system refuses an event base: EMFILE',
          'and then it is made',
        ]);
      },
    );

    test('refuses what cannot be watched, at the call', async () => {
      await using base = openBase(model);
      using pipe = openPipe();
      const file = path.join(folder, `file-${model}`);
      const fd = openSync(file, 'w');
      assert.throws(() => base.watch(fd, {}, () => {}), InvalidArgumentError);
      closeSync(fd);
      const unpollable = openSync('/dev/null', 'r');
      assert.throws(() => base.watch(unpollable, {}, () => {}), InvalidArgumentError);
      closeSync(unpollable);
      for (const bad of [-1, 1.5, 1 << 20, 2 ** 31, 2 ** 32, '0', Object.create(null)] as number[]) {
        assert.throws(() => base.watch(bad, {}, () => {}), InvalidArgumentError);
      }
      assert.throws(
        () => base.watch(pipe.reader, { readable: false, writable: false }, () => {}),
        InvalidArgumentError,
      );
      using _watcher = base.watch(pipe.reader, {}, () => {});
      assert.throws(() => base.watch(pipe.reader, {}, () => {}), /watched already/);
    });

    test('ends with the base, from inside a callback too', async () => {
      const base = openBase(model);
      using pipe = openPipe();
      base.ref();
      pipe.write('x');
      let calls = 0;
      const closed = new Promise<void>((resolve, reject) => {
        base.watch(pipe.reader, {}, () => {
          calls += 1;
          base.close().then(resolve, reject);
        });
      });
      await closed;
      assert.equal(calls, 1);
      assert.throws(() => base.watch(pipe.reader, {}, () => {}), ClosedError);
      assert.equal(pipe.read(), 'x'); // the descriptor stayed the caller's
    });
  });

  describe(`signals on a ${model} base`, () => {
    test('are heard by the base and by the handler Node has for them', async () => {
      await using base = openBase(model);
      base.ref();
      const heard: string[] = [];
      const onSignal = (): unknown => heard.push('node');
      process.on('SIGUSR2', onSignal);
      try {
        using watcher = base.signal('SIGUSR2', (name) => heard.push(`base ${name}`));
        await base.stats();
        process.kill(process.pid, 'SIGUSR2');
        await until(() => heard.length === 2, 'both hear of it');
        assert.deepEqual(heard.sort(), ['base SIGUSR2', 'node']);
        watcher.cancel();
        await base.stats();
        process.kill(process.pid, 'SIGUSR2');
        await until(() => heard.length === 3, "Node's handler is back alone");
      } finally {
        process.off('SIGUSR2', onSignal);
      }
    });

    test('reach every handler and every base that watches, and survive their number', async () => {
      await using base = openBase(model);
      await using other = openBase('thread');
      base.ref();
      const heard = new Map<string, number>();
      const count = (who: string) => () => heard.set(who, (heard.get(who) ?? 0) + 1);
      using _a = base.signal('SIGHUP', count('a'));
      using _b = base.signal('SIGHUP', count('b'));
      using _c = other.signal('SIGHUP', count('c'));
      await base.stats();
      await other.stats();
      for (let i = 1; i <= 50; i += 1) {
        process.kill(process.pid, 'SIGHUP');
        // Two signals of one number may count as one, so each is awaited.
        await until(() => ['a', 'b', 'c'].every((who) => heard.get(who) === i), `signal ${i}`);
      }
    });

    test('refuse the names of those that cannot be caught', async () => {
      await using base = openBase(model);
      const names: unknown[] = [
        'SIGKILL',
        'SIGSTOP',
        'SIGNOTHING',
        ['SIGKILL'],
        ['SIGUSR2'],
        Object.create(null),
      ];
      for (const name of names as NodeJS.Signals[]) {
        assert.throws(() => base.signal(name, () => {}), InvalidArgumentError);
      }
    });

    test('faults are refused at the call', async () => {
      await using base = openBase(model);
      for (const name of ['SIGSEGV', 'SIGBUS', 'SIGFPE', 'SIGILL', 'SIGTRAP', 'SIGSYS'] as const) {
        assert.throws(() => base.signal(name, () => {}), InvalidArgumentError);
      }
    });
  });
}
