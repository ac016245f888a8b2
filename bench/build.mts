// Builds what a run needs into build-bench/: the two native programs with plain g++, and the measuring children as plain
// JavaScript, so that a measured process carries no TypeScript loader in its start-up, its CPU time or its memory.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';

const here = fileURLToPath(new URL('.', import.meta.url));
const out = fileURLToPath(new URL('../build-bench/', import.meta.url));

export interface Built {
  rawClient: string;
  cannedServer: string;
  loadChild: string;
  slices: string;
}

export function build(): Built {
  mkdirSync(out, { recursive: true });
  return {
    rawClient: buildNative('raw_client'),
    cannedServer: buildNative('canned_server'),
    loadChild: bundle('load'),
    slices: bundle('slices'),
  };
}

function buildNative(name: string): string {
  const folder = join(here, 'native');
  const binary = join(out, name);
  // Every header counts for both programs: a rebuild too many costs a second, a stale floor costs the run.
  const newest = Math.max(...readdirSync(folder).map((file) => statSync(join(folder, file)).mtimeMs));
  if (existsSync(binary) && statSync(binary).mtimeMs > newest) return binary;
  const compiler = process.env.CXX ?? 'g++';
  execFileSync(compiler, ['-O2', '-std=c++20', join(folder, `${name}.cc`), '-o', binary], {
    stdio: 'inherit',
  });
  return binary;
}

function bundle(name: string): string {
  // Split, because a child must load the one client it measures and no other.
  buildSync({
    entryPoints: [join(here, `${name}.mts`)],
    outdir: join(out, name),
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20',
  });
  return join(out, name, `${name}.mjs`);
}
