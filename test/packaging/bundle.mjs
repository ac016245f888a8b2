// node bundle.mjs <bundler> <folder> <external …>: app.mjs beside this file becomes a bundle in the folder, whose path is printed.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const [, , bundler, folder, ...external] = process.argv;
const here = import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname);
const entry = path.join(here, 'app.mjs');
const inFolder = (name) => path.join(folder, name);

const bundlers = {
  esbuild: () => esbuild('cjs', 'app.cjs'),
  'esbuild, as a module': () => esbuild('esm', 'app.mjs'),
  webpack: async () => {
    const { default: webpack } = await import('webpack');
    const options = {
      mode: 'production',
      target: 'node',
      entry,
      output: { path: folder, filename: 'app.cjs' },
      externals: Object.fromEntries(external.map((name) => [name, `commonjs ${name}`])),
    };
    await new Promise((resolve, reject) => {
      webpack(options, (error, stats) => {
        if (error || stats.hasErrors()) reject(error ?? new Error(stats.toString()));
        else resolve();
      });
    });
    return inFolder('app.cjs');
  },
  rollup: async () => {
    const { rollup } = await import('rollup');
    const { default: node } = await import('@rollup/plugin-node-resolve');
    const { default: commonjs } = await import('@rollup/plugin-commonjs');
    const { default: json } = await import('@rollup/plugin-json');
    const plugins = [node({ exportConditions: ['node'], preferBuiltins: true }), commonjs(), json()];
    const bundle = await rollup({ input: entry, external, plugins });
    await bundle.write({ dir: folder, format: 'cjs', entryFileNames: 'app.cjs' });
    return inFolder('app.cjs');
  },
  vite: async () => {
    const { build } = await import('vite');
    const output = { entryFileNames: 'app.mjs', format: 'es' };
    await build({
      configFile: false,
      logLevel: 'error',
      root: here,
      build: { ssr: entry, outDir: folder, rollupOptions: { external, output } },
      ssr: external.includes('evenkeel') ? { external } : { noExternal: true, external },
    });
    return inFolder('app.mjs');
  },
  ncc: async () => {
    const { default: ncc } = await import('@vercel/ncc');
    const { code, assets } = await ncc(entry, { externals: external, quiet: true });
    mkdirSync(folder, { recursive: true });
    writeFileSync(inFolder('app.mjs'), code);
    for (const [name, { source }] of Object.entries(assets)) {
      mkdirSync(path.dirname(inFolder(name)), { recursive: true });
      writeFileSync(inFolder(name), source);
    }
    return inFolder('app.mjs');
  },
};

async function esbuild(format, name) {
  const { build } = await import('esbuild');
  // A module has no require(): what stays outside is CommonJS and needs one.
  const banner =
    format === 'esm'
      ? { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" }
      : {};
  await build({
    entryPoints: [entry],
    outfile: inFolder(name),
    format,
    banner,
    bundle: true,
    platform: 'node',
    external,
    logLevel: 'error',
  });
  return inFolder(name);
}

console.log(await bundlers[bundler]());
