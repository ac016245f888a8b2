import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { connect, defineClass, field, onNew } from '../../lib/index.ts';
import { startServer } from '../../lib/testing/index.ts';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
/** It renames a window, turns the text red, in two ways, and turns its direction. */
const ESCAPES = '\u001b]0;title\u0007\u009b31m\u009d0;x\u009c\u007f\u202e';
const HARMFUL = /(?!\n)[\p{Cc}\p{Bidi_Control}]/u;

const Message = defineClass('Message', {
  key: 'id',
  fields: { id: field.string() },
  events: [onNew()],
});

/** What a command prints, on both streams, until it ends or, when it never does by itself, until its first line. */
function outputOf(args: readonly string[], endless = false): Promise<string> {
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (chunk) => {
      output += chunk;
      if (endless && output.includes('\n')) child.kill();
    });
  return new Promise((resolve) => child.once('close', () => resolve(output)));
}

describe('the command sends nothing to the terminal that a stranger chose to:', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'evenkeel-'));
  });
  after(() => rm(folder, { recursive: true }));

  async function assertHarmless(args: readonly string[], expected: RegExp, endless = false): Promise<string> {
    const output = await outputOf(args, endless);
    assert.match(output, expected);
    assert.doesNotMatch(output, HARMFUL, JSON.stringify(output));
    return output;
  }

  test('in a schema, and in the name of its file', async () => {
    const path = join(folder, `a${ESCAPES}.mco`);
    await writeFile(path, `declare database d;\nclass a { ${ESCAPES}$ };\n`);
    await assertHarmless(['ddl', path], /unexpected character "\\u001b"\n {2}class a { \\u001b/);
    await writeFile(path, 'declare database d;\ntransient class a { uint4 b; unique tree<b> c; };\n');
    await assertHarmless(['ddl', path], /warning: transient/);
    await assertHarmless(['ddl', `${path}.none`], /ENOENT/);
  });

  test('by a server', async () => {
    await using server = await startServer();
    const action = { kind: 'status', status: 0, body: ESCAPES } as const;
    await server.fault({ opcode: 'version', action });
    await assertHarmless(['ping', server.url, '-n', '1'], /version \\u001b\]0;title/);
    await assertHarmless(['top', server.url, '--once', '--interval', '0.1'], / up .* \\u001b\]0;title/);
    await server.fault({ opcode: ['set', 'setq'], action: { ...action, status: 0x99 } });
    await assertHarmless(['bench', server.url, '-d', '0.05', '--runs', '1'], /status 0x99: \\u001b/);
  });

  test('in the records of a database', async () => {
    const url = `embedded://${folder}/d` as const;
    const id = `${ESCAPES}\n\t"`;
    await using db = await connect(url, { classes: [Message] });
    await db.records(Message).insert({ id });
    const watch = ['watch', url, '--from', 'beginning'];
    await assertHarmless(watch, /Message +new.*\\u009b31m/, true);
    const line = await assertHarmless([...watch, '--json'], /"Message"/, true);
    assert.equal(JSON.parse(line).key, id);
  });

  test('in arguments', async () => {
    const url = `embedded://${folder}/${ESCAPES}`;
    await Promise.all([
      assertHarmless([ESCAPES], /unknown command/),
      assertHarmless(['ping', `--${ESCAPES}`], /unknown option/),
      assertHarmless(['ping', `memcached://${ESCAPES}`], /EVENKEEL_INVALID_ARGUMENT/),
      assertHarmless(['watch', url], /EVENKEEL_STORAGE/),
      assertHarmless(['--verbose', 'watch', url], /StorageError/),
      assertHarmless(['replay', '-w', ESCAPES], /no workload/),
    ]);
  });

  test('and no credentials of a url', async () => {
    const url = 'memcached://user:s3cret@127.0.0.1:1';
    await Promise.all(
      ['ping', 'watch', 'bench', 'demo'].map(async (command) =>
        assert.doesNotMatch(await outputOf(['--verbose', command, url]), /s3cret/),
      ),
    );
    await using server = await startServer({ credentials: { username: 'user', password: 's3cret' } });
    const right = server.url.replace('://', '://user:s3cret@');
    await Promise.all(
      [
        ['ping', right, '-n', '1'],
        ['top', `${right},127.0.0.1:1`, '--once', '--interval', '0.1'],
        ['bench', right, '-d', '0.05', '--runs', '1'],
        ['bench', right, '-d', '0.05', '--runs', '1', '--json'],
      ].map(async (args) => {
        const output = await outputOf(args);
        if (args[0] === 'top') assert.match(output, /^127\.0\.0\.1:\d+ +up /m);
        else assert.match(output, /memcached:\/\/…@127/);
        assert.doesNotMatch(output, /s3cret/);
      }),
    );
  });
});

test('what the command prints goes through one function', async () => {
  const folder = new URL('../../lib/cli/', import.meta.url);
  for (const name of await readdir(folder)) {
    // Ended when its output is out; and a line that is overwritten is one of ours.
    if (['output.ts', 'progress.ts', 'main.ts'].includes(name)) continue;
    const source = await readFile(new URL(name, folder), 'utf8');
    assert.doesNotMatch(source, /std(out|err)\.write|console\./, name);
  }
});
