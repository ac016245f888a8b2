// node verify.js <directory> [write]: looks at every page of every tree and, when it is to be written, at the list of free
// pages. What is missing or wrong ends this process, and no other.
import { BINARY, FROM_FIRST, loadLmdb, type Tree } from './lmdb';

/** More than is free in one piece: LMDB goes through all of its list for it. */
const MUCH = 64 << 20;

async function verify(path: string, isToBeWritten: boolean): Promise<void> {
  const { open, ABORT } = loadLmdb();
  const root = open<Uint8Array, Uint8Array>({
    ...BINARY,
    path,
    noSubdir: false,
    readOnly: !isToBeWritten,
    maxDbs: 1024,
  });
  // Read to the end first: opening a tree takes from the cursor the transaction that it reads in.
  for (const name of [...root.getKeys({ ...FROM_FIRST })]) {
    const tree: Tree = root.openDB<Uint8Array, Uint8Array>(
      Buffer.from(name).toString().replace(/\0$/, ''),
      BINARY,
    );
    // Values are copied out of the map as they are gone through: every page is touched.
    tree.getRange({ ...FROM_FIRST }).forEach(() => {});
  }
  if (!isToBeWritten) return;
  const meta: Tree = root.openDB<Uint8Array, Uint8Array>('meta', BINARY);
  root.transactionSync(() => {
    meta.putSync(Buffer.from('verify'), Buffer.alloc(MUCH));
    return ABORT;
  });
}

const path = process.argv[2];
if (path !== undefined) {
  verify(path, process.argv[3] === 'write').catch((error: unknown) => {
    process.stderr.write(`${String(error)}\n`);
    process.exit(1);
  });
}
