import { spawnSync } from 'node:child_process';

/**
 * What to tell node:test about a program that may be missing: nothing where it is installed, a reason to skip where it
 * is not. In continuous integration a missing program is no excuse, and the test runs and fails.
 */
export function skipWithout(program: string, debianPackage: string): string | false {
  const found = spawnSync(program, ['-h'], { stdio: 'ignore' }).error === undefined;
  if (found || process.env.CI) return false;
  return `${program} is not installed (Debian package ${debianPackage})`;
}
