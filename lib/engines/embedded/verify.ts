// node verify.js <directory> [write]: reads every page of every tree and, for a database opened for writing, the list
// of free pages. Missing or invalid pages end only this process.
import { BINARY, FROM_FIRST, loadLmdb, type Tree } from './lmdb';

/** More than is free in one piece, so that LMDB walks its whole list of free pages. */
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
  // Read completely first: opening a tree takes away the cursor's read transaction.
  for (const name of [...root.getKeys({ ...FROM_FIRST })]) {
    const tree: Tree = root.openDB<Uint8Array, Uint8Array>(
      Buffer.from(name).toString().replace(/\0$/, ''),
      BINARY,
    );
    // Iterating copies the values out of the map, so every page is touched.
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
