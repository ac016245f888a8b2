import { strict as assert } from 'node:assert';
import { cp, mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Consumer, execute, packWithPrebuild, tools } from './consumer.mts';

const PACKAGES = [
  'node24@npm:node@24',
  'npm11@npm:npm@11',
  'npm12@npm:npm@12',
  'pnpm12@npm:pnpm@12',
  'yarn1@npm:yarn@1',
  'yarn4@npm:@yarnpkg/cli-dist@4',
];

const PROGRAM = `
  const { connect } = require('evenkeel');
  const { startServer } = require('evenkeel/testing');
  (async () => {
    const server = await startServer();
    for (const url of [server.url, 'embedded:']) {
      const db = await connect(url);
      await db.upsert('greeting', 'hello');
      console.log(await db.get('greeting'));
      await db.close();
    }
    await server.close();
  })();`;

interface Manager {
  readonly name: string;
  /** Under a folder of installed packages, by Node 24. */
  readonly command: readonly string[];
  readonly files?: Readonly<Record<string, string>>;
  readonly add: (tarball: string) => readonly string[];
}

const MANAGERS: readonly Manager[] = [
  { name: 'npm 11', command: ['npm11/bin/npm-cli.js'], add: (tarball) => ['install', tarball] },
  { name: 'npm 12', command: ['npm12/bin/npm-cli.js'], add: (tarball) => ['install', tarball] },
  { name: 'Yarn 1', command: ['yarn1/bin/yarn.js'], add: (tarball) => ['add', tarball] },
  {
    name: 'Yarn 4',
    command: ['yarn4/bin/yarn.js'],
    files: { '.yarnrc.yml': 'nodeLinker: node-modules\n', 'yarn.lock': '' },
    add: (tarball) => ['add', `evenkeel@file:${tarball}`],
  },
  {
    name: 'pnpm 12',
    command: ['pnpm12/bin/pnpm.mjs'],
    // As the README says.
    files: { 'pnpm-workspace.yaml': 'allowBuilds:\n  lmdb: false\n  msgpackr-extract: false\n' },
    add: (tarball) => ['add', tarball],
  },
];

describe('the packed package, where no compiler is, installed by', () => {
  let tarball: string;
  let managers: string;

  before(async () => {
    tarball = await packWithPrebuild();
    managers = await tools(...PACKAGES);
  });

  after(async () => {
    for (const folder of [path.dirname(tarball), managers])
      await rm(folder, { recursive: true, force: true });
  });

  for (const { name, command, files = {}, add } of MANAGERS) {
    test(`${name} asks for no script of its own and works`, async () => {
      const project = await Consumer.empty();
      try {
        for (const [file, content] of Object.entries(files)) await project.write(file, content);
        // Their own package.json would have them look for the version of themselves that it names.
        const home = path.join(project.folder, 'home');
        await mkdir(home);
        await cp(tarball, path.join(home, 'evenkeel.tgz'));
        const node = path.join(managers, 'node_modules', 'node24', 'bin', 'node');
        const [script = '', ...options] = command;
        const args = [
          path.join(managers, 'node_modules', script),
          ...options,
          ...add(path.join(home, 'evenkeel.tgz')),
        ];
        const { code, output } = await execute(node, args, project.folder, {
          ...project.environment,
          HOME: home,
        });
        assert.equal(code, 0, output);
        assert.doesNotMatch(
          output,
          /evenkeel\S* (\(install|lists build scripts)|Ignored build scripts:.*evenkeel/,
        );
        const ran = await project.run('program.cjs', PROGRAM);
        assert.equal(ran.code, 0, ran.output);
        assert.equal(ran.output, 'hello\nhello\n');
      } finally {
        await rm(project.folder, { recursive: true, force: true });
      }
    });
  }
});
