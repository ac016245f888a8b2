import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import type { Command } from 'commander';
import { DdlSyntaxError, parseDdl, toTypeScript } from '../index';
import { excerpt } from '../text';
import { complain, print } from './output';

export function addDdl(program: Command): void {
  program
    .command('ddl')
    .description('print the TypeScript equivalent of an eXtremeDB schema')
    .argument('<file>', 'a schema text (.mco), or - for stdin')
    .action(ddl);
}

async function ddl(path: string): Promise<void> {
  const file = path === '-' ? '<stdin>' : path;
  const schema = path === '-' ? await text(process.stdin) : await readFile(path, 'utf8');
  try {
    const parsed = parseDdl(schema, { file });
    for (const { line, column, message } of parsed.warnings)
      complain(`${excerpt(file)}:${line}:${column}: warning: ${message}\n`);
    print(toTypeScript(parsed));
  } catch (error) {
    if (!(error instanceof DdlSyntaxError)) throw error;
    complain(`${error.message}\n`);
    process.exitCode = 1;
  }
}
