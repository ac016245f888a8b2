import assert from 'node:assert/strict';
import { test } from 'node:test';
import { storageError } from '../../lib/engines/embedded/lmdb.ts';

const causes: readonly (readonly [said: string, meant: RegExp])[] = [
  ['MDB_MAP_FULL: Environment mapsize limit reached', /the map is full/],
  ['MDB_CORRUPTED: Located page was wrong type', /corrupt/],
  ['MDB_PAGE_NOTFOUND: Requested page not found', /corrupt/],
  ['MDB_INVALID: File is not an LMDB file', /corrupt, or no database/],
  ['MDB_VERSION_MISMATCH: Database environment version mismatch', /another version of LMDB/],
  ['MDB_READERS_FULL: Environment maxreaders limit reached', /too many states/],
  ['MDB_DBS_FULL: Environment maxdbs limit reached', /as many classes and indexes/],
  ['No space left on device', /the disk is full/],
  ['File too large', /the disk is full/],
  ['Input/output error', /full, or fails/],
  ['Permission denied', /cannot be written/],
  ['Read-only file system', /cannot be written/],
];

test('what LMDB and the file system say becomes a StorageError with the directory and the cause', () => {
  for (const [said, meant] of causes) {
    const cause = new Error(said);
    const error = storageError(cause, '/some/where');
    assert.match(error.message, meant);
    assert.ok(error.message.startsWith('/some/where: '));
    assert.deepEqual([error.code, error.retryable, error.cause], ['EVENKEEL_STORAGE', false, cause]);
    assert.equal(error.context.node, '/some/where');
  }
  const strange = Object.assign(new Error('ENOTDIR: not a directory'), { code: 'ENOTDIR' });
  assert.equal(storageError(strange, '/a').message, '/a: ENOTDIR: not a directory');
  assert.equal(storageError('something else', '/a').message, '/a: something else');
});
