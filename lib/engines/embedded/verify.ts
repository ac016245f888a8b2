// node verify.js <directory>: looks at every page of every tree. What is missing or wrong ends this process, and no other.
import { BINARY, FROM_FIRST, loadLmdb, type Tree } from './lmdb';

async function verify(path: string): Promise<void> {
  const { open } = await loadLmdb();
  const root = open<Uint8Array, Uint8Array>({
    ...BINARY,
    path,
    noSubdir: false,
    readOnly: true,
    maxDbs: 1024,
  });
  for (const name of root.getKeys({ ...FROM_FIRST })) {
    const tree: Tree = root.openDB<Uint8Array, Uint8Array>(
      Buffer.from(name).toString().replace(/\0$/, ''),
      BINARY,
    );
    // Values are copied out of the map as they are gone through: every page is touched.
    tree.getRange({ ...FROM_FIRST }).forEach(() => {});
  }
}

const path = process.argv[2];
if (path !== undefined) {
  verify(path).catch((error: unknown) => {
    process.stderr.write(`${String(error)}\n`);
    process.exit(1);
  });
}
