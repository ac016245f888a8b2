import { execFile, spawnSync } from 'node:child_process';

/**
 * What to tell node:test about a program that may be missing: nothing where it is installed, a reason to skip where it
 * is not. In continuous integration a missing program is no excuse, and the test runs and fails.
 */
export function skipWithout(program: string, debianPackage: string): string | false {
  const found = spawnSync(program, ['-h'], { stdio: 'ignore' }).error === undefined;
  if (found || process.env.CI) return false;
  return `${program} is not installed (Debian package ${debianPackage})`;
}

/** What a script says on stdout, of what it is told on stdin: JSON both. */
export function askProgram(program: string, script: string, input: unknown): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const child = execFile(program, [script], { maxBuffer: 2 ** 26 }, (error, stdout) => {
      if (error === null) resolve(JSON.parse(stdout));
      else reject(error);
    });
    // A script that ends early says why on stderr, which is in the error.
    child.stdin?.on('error', () => {}).end(JSON.stringify(input));
  });
}
