import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fitted, wrapped } from '../../lib/cli/layout.ts';

const rows = [
  { name: 'a', count: 1, note: 'long note' },
  { name: 'bcd', count: 100, note: '' },
];
const columns = [
  { head: 'name', cell: (row: (typeof rows)[0]) => row.name },
  { head: 'count', cell: (row: (typeof rows)[0]) => String(row.count) },
  { head: 'note', cell: (row: (typeof rows)[0]) => row.note, dispensable: 1 },
  { head: 'first to go', cell: () => '-', dispensable: 2 },
];

describe('a table in a terminal', () => {
  it('aligns its columns', () => {
    assert.equal(
      fitted(rows, columns, Number.POSITIVE_INFINITY),
      [
        'name  count       note  first to go',
        'a         1  long note            -',
        'bcd     100                       -',
      ].join('\n'),
    );
  });

  it('leaves out what it can do without until it fits, and no more', () => {
    assert.equal(fitted(rows, columns, 22).split('\n')[0], 'name  count       note');
    assert.equal(fitted(rows, columns, 21).split('\n')[0], 'name  count');
    assert.equal(fitted(rows, columns, 1).split('\n')[0], 'name  count');
  });
});

describe('text in a terminal', () => {
  it('is broken at spaces, and long words stay whole', () => {
    assert.equal(wrapped('one two three\nfour', 7), 'one two\nthree\nfour');
    assert.equal(wrapped('a unbreakable b', 5), 'a\nunbreakable\nb');
    assert.equal(wrapped('as it is', Number.POSITIVE_INFINITY), 'as it is');
  });
});
