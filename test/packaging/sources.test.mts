import { strict as assert } from 'node:assert';
import { readdir, readFile, stat } from 'node:fs/promises';
import { builtinModules } from 'node:module';
import path from 'node:path';
import { test } from 'node:test';
import { root } from './consumer.mts';

test('native/sources.txt lists every C++ source there is, once', async () => {
  const list = await readFile(path.join(root, 'native', 'sources.txt'), 'utf8');
  const listed = list
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim())
    .filter((line) => line !== '');
  const found = (await readdir(path.join(root, 'native'), { recursive: true }))
    .filter((name) => name.endsWith('.cc'))
    .map((name) => path.posix.join('native', name));
  assert.deepEqual([...listed].sort(), found.sort());
});

test('the addon, its loader and the package have one version', async () => {
  const text = (...parts: string[]) => readFile(path.join(root, ...parts), 'utf8');
  const { version } = JSON.parse(await text('package.json')) as { version: string };
  assert.equal(/kVersion = "(.+)"/.exec(await text('native', 'addon', 'version.h'))?.[1], version);
  assert.equal(/VERSION = '(.+)'/.exec(await text('lib', 'native', 'load.ts'))?.[1], version);
});

test('what is installed names no module that is not installed with it, or that only its own export is for', async () => {
  const manifest = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8')) as {
    dependencies: Readonly<Record<string, string>>;
    peerDependencies: Readonly<Record<string, string>>;
  };
  const { dependencies, peerDependencies } = manifest;
  const isOfItsOwn = (file: string, module: string): boolean =>
    file.startsWith(`opentelemetry${path.sep}`) && module in peerDependencies;
  const known = new Set(['evenkeel', ...Object.keys(dependencies), ...builtinModules]);
  const compiled = (await readdir(path.join(root, 'dist'), { recursive: true })).filter((name) =>
    /\.(m?js|d\.m?ts)$/.test(name),
  );
  assert.ok(compiled.length > 50);
  for (const name of compiled) {
    const text = (await readFile(path.join(root, 'dist', name), 'utf8')).replaceAll(
      /^\s*(\/?\*|\/\/).*$/gm,
      '',
    );
    const named = text.matchAll(
      /(?:\b(?:require|resolve|import)\(\s*|\bfrom\s+|^import\s+)(['"`])([^.'"`][^'"`]*)\1/gm,
    );
    for (const [, , id = ''] of named) {
      const [first = '', second] = id.split('/');
      const module = first.startsWith('@') ? `${first}/${second}` : first;
      const isThere = id.startsWith('node:') || known.has(module) || isOfItsOwn(name, module);
      assert.ok(isThere, `dist/${name} names ${id}`);
    }
  }
});

test('every link of a document that is installed leads to something that is installed', async () => {
  const { files } = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8')) as {
    files: readonly string[];
  };
  const installed = ['README.md', 'LICENSE', 'package.json', ...files];
  const isInstalled = (file: string): boolean =>
    installed.some((each) => file === each || file.startsWith(`${each}/`));
  const documents: string[] = [];
  for (const each of installed.filter((name) => name !== 'prebuilds')) {
    const isFolder = (await stat(path.join(root, each))).isDirectory();
    const names = isFolder ? await readdir(path.join(root, each), { recursive: true }) : [''];
    documents.push(...names.map((name) => path.join(each, name)).filter((name) => name.endsWith('.md')));
  }
  assert.ok(documents.includes('README.md') && documents.length > 3, documents.join());
  const dead: string[] = [];
  for (const document of documents) {
    const text = await readFile(path.join(root, document), 'utf8');
    for (const [, link = ''] of text.matchAll(/\]\(([^)\s#]+)(?:#[^)]*)?\)/g)) {
      if (/^[a-z]+:/.test(link)) continue;
      const target = path.join(path.dirname(document), link);
      const exists = await stat(path.join(root, target)).catch(() => undefined);
      if (!isInstalled(target) || exists === undefined) dead.push(`${document}: ${link}`);
    }
  }
  assert.deepEqual(dead, []);
});
