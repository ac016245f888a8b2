// docs/architecture.md: dependencies point down only.
import { strict as assert } from 'node:assert';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

const root = path.resolve(import.meta.dirname, '../..');
const lib = path.join(root, 'lib');
const files = readdirSync(lib, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => name.replaceAll(path.sep, '/'));

/** The modules of lib/ that a file names, be it for their types only. */
function importsOf(file: string): string[] {
  const text = readFileSync(path.join(lib, file), 'utf8');
  const named = text.matchAll(/(?:\bfrom|\bimport|\b(?:require|import)\()\s*'(\.[^']*)'/g);
  return [...named].map(([, id = '']) => {
    const target = path.posix.join(path.posix.dirname(file), id);
    const found = [`${target}.ts`, `${target}/index.ts`].find((name) => files.includes(name));
    assert.ok(found, `lib/${file} imports ${id}`);
    return found;
  });
}

const imports = new Map(files.map((file) => [file, importsOf(file)]));

/** The floor of each entry of the map, 0 the highest: its line. Deeper entries stand under their folder. */
function readFloors(): Map<string, number> {
  const map = readFileSync(path.join(root, 'docs', 'architecture.md'), 'utf8');
  const lines = /^lib\/ .*\n((?: {2}.*\n)+)/m.exec(map)?.[1]?.split('\n') ?? [];
  const floors = new Map<string, number>();
  let folder = '';
  for (const [floor, line] of lines.entries()) {
    const isDeeper = line.startsWith('    ');
    for (const name of line.trim().split(/ {2,}/)[0]?.split(' ') ?? []) {
      floors.set(isDeeper ? `${folder}${name}` : name, floor);
      if (!isDeeper) folder = name;
    }
  }
  return floors;
}

test('no imports within lib/ form a circle, those of types included', () => {
  const done = new Set<string>();
  const visit = (file: string, way: readonly string[]): void => {
    const begin = way.indexOf(file);
    assert.equal(begin, -1, `a circle of imports: ${[...way.slice(begin), file].join(' -> ')}`);
    if (done.has(file)) return;
    for (const each of imports.get(file) ?? []) visit(each, [...way, file]);
    done.add(file);
  };
  for (const file of files) visit(file, []);
});

test('every file of lib/ imports from its own floor of the map and those below', () => {
  const floors = [...readFloors()];
  const floorOf = (file: string): number => {
    const under = floors.filter(([name]) => name === file || (name.endsWith('/') && file.startsWith(name)));
    assert.ok(under.length > 0, `docs/architecture.md has ${file} on none of its floors`);
    return Math.max(...under.map(([, floor]) => floor));
  };
  const upwards = [...imports].flatMap(([file, imported]) =>
    imported.filter((each) => floorOf(each) < floorOf(file)).map((each) => `${file} -> ${each}`),
  );
  assert.deepEqual(upwards, []);
});

test('no engine imports from another, and what those over the network have in common imports from none', () => {
  const engineOf = (file: string): string | undefined => /^engines\/(\w+)\//.exec(file)?.[1];
  const across = [...imports].flatMap(([file, imported]) => {
    const own = engineOf(file);
    const isForeign = (each: string): boolean => ![undefined, own, 'network'].includes(engineOf(each));
    return own === undefined ? [] : imported.filter(isForeign).map((each) => `${file} -> ${each}`);
  });
  assert.deepEqual(across, []);
});
