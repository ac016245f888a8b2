import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import vm from 'node:vm';
import type { connect } from '../../lib/index.ts';

const dist = fileURLToPath(new URL('../../dist/index.js', import.meta.url));

/** A realm as a test runner makes one for each file of tests: with globals and modules of its own, and without import(). */
class Realm {
  readonly #globals = vm.createContext({
    process,
    Buffer,
    Uint8Array,
    ArrayBuffer,
    SharedArrayBuffer,
    setTimeout,
    clearTimeout,
    setImmediate,
    clearImmediate,
    setInterval,
    clearInterval,
    queueMicrotask,
    performance,
    URL,
    TextDecoder,
    TextEncoder,
    AbortController,
    AbortSignal,
    console,
  });
  readonly #modules = new Map<string, { exports: unknown }>();

  load(file: string): unknown {
    const own = createRequire(file);
    if (/\.(json|node)$/.test(file)) return own(file);
    const known = this.#modules.get(file);
    if (known !== undefined) return known.exports;
    const module = { exports: {} };
    this.#modules.set(file, module);
    const required = (id: string): unknown => {
      const found = own.resolve(id);
      return path.isAbsolute(found) ? this.load(found) : own(found);
    };
    const require = Object.assign(required, { resolve: own.resolve, cache: {} });
    const parameters = ['exports', 'require', 'module', '__filename', '__dirname'];
    const code = readFileSync(file, 'utf8').replace(/^#!.*/, '');
    const run = vm.compileFunction(code, parameters, { filename: file, parsingContext: this.#globals });
    Reflect.apply(run, module.exports, [module.exports, require, module, file, path.dirname(file)]);
    return module.exports;
  }

  /** As when the tests of the file are over: whatever still runs in it finds nothing. */
  end(): void {
    for (const name of Object.keys(this.#globals)) delete this.#globals[name];
  }
}

test('the embedded engine works in contexts of node:vm, one after the other', async () => {
  for (let i = 0; i < 2; i += 1) {
    const realm = new Realm();
    const evenkeel = realm.load(dist) as { readonly connect: typeof connect };
    const db = await evenkeel.connect('embedded:');
    await db.upsert('k', { i });
    assert.deepEqual(JSON.parse(JSON.stringify(await db.get('k'))), { i });
    await db.transaction(async (tx) => tx.upsert('n', ((await tx.get<number>('n')) ?? 0) + 1));
    assert.equal(await db.get('n'), 1);
    await db.close();
    realm.end();
  }
});
