import { copyFileSync, existsSync, mkdirSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { placeGypFile } from './node-gyp.mjs';

/**
 * A folder beside the sources in which node-gyp builds another flavour of the addon. node-gyp always builds into
 * `build/` next to its file, and that one belongs to the developer: a prebuild or an instrumented addon left there
 * would silently win over whatever the next test means to load.
 */
export function separateBuildFolder(root, flavour) {
  const folder = path.join(root, `build-${flavour}`);
  mkdirSync(folder, { recursive: true });
  placeGypFile(root, folder);
  copyFileSync(path.join(root, 'package.json'), path.join(folder, 'package.json'));
  const sources = path.join(folder, 'native');
  if (!existsSync(sources)) symlinkSync(path.join('..', 'native'), sources, 'dir');
  return folder;
}
