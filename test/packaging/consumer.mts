import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, realpath, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export const root = fileURLToPath(new URL('../..', import.meta.url));

export interface Outcome {
  readonly code: number;
  readonly output: string;
}

/** A project of somebody who uses the packed package: a folder, and a PATH on which there is no compiler. */
export class Consumer {
  private constructor(
    readonly folder: string,
    readonly environment: NodeJS.ProcessEnv,
  ) {}

  /** Where the package got installed. */
  get installed(): string {
    return path.join(this.folder, 'node_modules', 'evenkeel');
  }

  /** A project that has nothing yet. */
  static async empty(): Promise<Consumer> {
    const folder = await realpath(await mkdtemp(path.join(tmpdir(), 'evenkeel-consumer-')));
    const bin = path.join(folder, 'bin');
    await mkdir(bin);
    for (const name of ['sh', 'env']) await symlink(await locate(name), path.join(bin, name));
    await symlink(process.execPath, path.join(bin, 'node'));
    const consumer = new Consumer(folder, { ...cleanEnvironment(), PATH: bin });
    await consumer.write(
      'package.json',
      JSON.stringify({ name: 'consumer', version: '1.0.0', private: true }),
    );
    return consumer;
  }

  /** A project that has the packed package, and whatever else is named, from the registry. */
  static async create(tarball: string, ...packages: readonly string[]): Promise<Consumer> {
    const consumer = await Consumer.empty();
    // Scripts off: a prebuilt addon must load without any.
    const options = ['--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund'];
    await consumer.npmOrThrow('install', ...options, tarball, ...packages);
    return consumer;
  }

  async write(name: string, content: string): Promise<string> {
    const file = path.join(this.folder, name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, content);
    return file;
  }

  /** Writes the script into the project and runs it; the environment is the consumer's own unless extended. */
  async run(name: string, script: string, extra: NodeJS.ProcessEnv = {}): Promise<Outcome> {
    await this.write(name, script);
    return this.node([name], extra);
  }

  node(args: readonly string[], extra: NodeJS.ProcessEnv = {}, cwd = this.folder): Promise<Outcome> {
    return execute(process.execPath, args, cwd, { ...this.environment, ...extra });
  }

  async npm(args: readonly string[], extra: NodeJS.ProcessEnv = {}): Promise<Outcome> {
    return this.node([await npmScript('npm'), ...args], extra);
  }

  async npx(...args: string[]): Promise<Outcome> {
    return this.node([await npmScript('npx'), '--no-install', '--loglevel=error', ...args]);
  }

  private async npmOrThrow(...args: string[]): Promise<void> {
    const { code, output } = await this.npm(args);
    if (code !== 0) throw new Error(`npm ${args.join(' ')}: exit code ${code}\n${output}`);
  }
}

/**
 * Installs packages from the registry, their scripts allowed, into a folder of their own outside of the checkout. Returns
 * that folder, which is the caller's to remove.
 */
export async function tools(...packages: readonly string[]): Promise<string> {
  const folder = await realpath(await mkdtemp(path.join(tmpdir(), 'evenkeel-tools-')));
  await writeFile(path.join(folder, 'package.json'), '{ "private": true }');
  const args = [
    await npmScript('npm'),
    'install',
    '--prefer-offline',
    '--no-audit',
    '--no-fund',
    ...packages,
  ];
  const { code, output } = await execute(process.execPath, args, folder, cleanEnvironment());
  if (code !== 0) throw new Error(`npm install ${packages.join(' ')}: exit code ${code}\n${output}`);
  return folder;
}

/** As pack(), with the addon that `npm run prebuilds` made for this platform. */
export async function packWithPrebuild(): Promise<string> {
  const prebuilt = path.join(root, 'prebuilds', `${process.platform}-${process.arch}`);
  const found = await readdir(prebuilt).catch(() => []);
  if (found.length === 0) throw new Error(`nothing in ${prebuilt}: npm run prebuilds makes it`);
  return pack();
}

/** Packs the checkout as it stands, build scripts off, and returns the tarball's path. */
export async function pack(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'evenkeel-pack-'));
  const npm = await npmScript('npm');
  const args = [npm, 'pack', '--ignore-scripts', '--json', '--pack-destination', folder];
  const { code, output } = await execute(process.execPath, args, root, cleanEnvironment());
  const name = /"filename": "([^"]+)"/.exec(output)?.[1];
  if (code !== 0 || name === undefined) throw new Error(`npm pack: exit code ${code}\n${output}`);
  return path.join(folder, name);
}

/** What does not end within that hangs, and is told as such rather than by whoever waits for this run. */
const HANGS_AFTER_MS = 600_000;

export async function execute(
  command: string,
  args: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv,
): Promise<Outcome> {
  try {
    const { stdout, stderr } = await promisify(execFile)(command, args, {
      cwd,
      env,
      maxBuffer: 1 << 26,
      timeout: HANGS_AFTER_MS,
      killSignal: 'SIGKILL',
    });
    return { code: 0, output: stdout + stderr };
  } catch (error) {
    const { code, killed, stdout, stderr } = error as {
      code?: unknown;
      killed?: boolean;
      stdout?: string;
      stderr?: string;
    };
    const output = `${stdout}${stderr}`;
    if (killed) throw new Error(`${command} ${args.join(' ')} did not end\n${output}`, { cause: error });
    if (typeof code !== 'number') throw error;
    return { code, output };
  }
}

/** What npm and this test run put into the environment would make a nested npm believe it is inside this checkout. */
export function cleanEnvironment(): NodeJS.ProcessEnv {
  const foreign =
    /^(npm_(package|lifecycle|command|config_(local_)?prefix)|INIT_CWD|NODE_|EVENKEEL_|LD_PRELOAD)/;
  const kept = Object.entries(process.env).filter(
    ([name]) => !foreign.test(name) || name === 'NODE_EXTRA_CA_CERTS',
  );
  return Object.fromEntries(kept);
}

/** npm's own JavaScript file, so that it runs under this Node and needs nothing from PATH. */
async function npmScript(name: 'npm' | 'npx'): Promise<string> {
  const npm = process.env.npm_execpath ?? (await realpath(await locate('npm')));
  return path.join(path.dirname(npm), `${name}-cli.js`);
}

async function locate(program: string): Promise<string> {
  const { code, output } = await execute('/bin/sh', ['-c', `command -v ${program}`], root, process.env);
  if (code !== 0) throw new Error(`${program} is not on PATH`);
  return output.trim();
}
