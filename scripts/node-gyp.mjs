import { copyFileSync, existsSync } from 'node:fs';
import path from 'node:path';

/**
 * The prefix whose `include/node` holds this very Node's headers, or undefined. Most installations bring them along;
 * node-gyp nevertheless downloads them unless told, which fails behind a firewall.
 */
export function nodeHeaders() {
  const prefix = path.resolve(process.execPath, '..', '..');
  const found = ['node_api.h', 'common.gypi'].every((name) =>
    existsSync(path.join(prefix, 'include', 'node', name)),
  );
  return found ? prefix : undefined;
}

/** The environment for a node-gyp child: the user's own `nodedir` first, else the headers beside this Node. */
export function nodeGypEnvironment(base = process.env) {
  const nodedir = base.npm_config_nodedir ?? nodeHeaders();
  return nodedir === undefined ? { ...base } : { ...base, npm_config_nodedir: nodedir };
}

/**
 * node-gyp wants its file at the root of what it builds. It is put there when something is built: package managers
 * take it for the wish that they compile the package when they install it.
 */
export function placeGypFile(root, folder = root) {
  copyFileSync(path.join(root, 'native', 'addon.gyp'), path.join(folder, 'binding.gyp'));
}
