// clang-format over the C++: node scripts/format-native.mjs [--check]
import { fail, filesBelow, hasTool, run } from './native-tools.mjs';

const [option, ...rest] = process.argv.slice(2);
if (rest.length > 0 || (option !== undefined && option !== '--check'))
  fail('usage: format-native.mjs [--check]');

if (hasTool('clang-format')) {
  const folders = ['native', 'test/native', 'bench/native'];
  const files = folders.flatMap((folder) => filesBelow(folder, ['.h', '.cc']));
  const mode = option === '--check' ? ['--dry-run', '--Werror'] : ['-i'];
  if (files.length > 0) run('clang-format', [...mode, ...files]);
} else if (process.env.CI === 'true') {
  fail('clang-format is missing (on Debian: apt-get install clang-format)');
} else {
  console.log('format-native: skipped, clang-format is missing (on Debian: apt-get install clang-format)');
}
