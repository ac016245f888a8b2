import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { messageOf, shown } from '../../lib/arguments.ts';
import { EvenkeelError } from '../../lib/errors.ts';
import { escapeControls, excerpt, shorten } from '../../lib/text.ts';

const code = (from: number, to: number): string =>
  Array.from({ length: to - from + 1 }, (_, i) => String.fromCharCode(from + i)).join('');
/** All that moves a cursor, changes colours, breaks a line or turns the direction of writing. */
const harmful = `${code(0, 0x1f)}${code(0x7f, 0x9f)}\u061c\u200e\u200f\u2028\u2029${code(0x202a, 0x202e)}${code(0x2066, 0x2069)}`;
const HARMFUL = new RegExp(`[${harmful.replace(/[\\\]]/g, '\\$&')}]`);

describe('escaped text', () => {
  test('has no control character but line breaks and tabs, and says which there were', () => {
    const escaped = escapeControls(`a${harmful}b`);
    assert.doesNotMatch(escaped.replace(/[\n\t]/g, ''), HARMFUL);
    assert.equal(JSON.parse(`"${escaped.replace('\n', '\\n').replace('\t', '\\t')}"`), `a${harmful}b`);
    assert.equal(escapeControls('\u001b]0;title\u0007'), '\\u001b]0;title\\u0007');
  });

  test('is what it was where there is nothing to escape', () => {
    const text = 'Ada, 日本, 👩‍👩‍👧, naïve\n\t"quoted" \\ done';
    assert.equal(escapeControls(text), text);
  });

  test('that is a part of a line breaks no line and is short', () => {
    assert.equal(excerpt('a\nb\tc'), 'a\\u000ab\\u0009c');
    assert.doesNotMatch(excerpt(harmful), HARMFUL);
    assert.equal(excerpt('x'.repeat(1e6), 10), `${'x'.repeat(10)}…`);
  });

  test('is not cut within a character', () => {
    assert.equal(shorten('ab👍', 3), 'ab…');
    assert.equal(shorten('ab👍', 4), 'ab👍');
  });
});

describe('a value in a message', () => {
  test('is short and harmless, whatever it is', () => {
    const values: unknown[] = [
      harmful,
      harmful.repeat(1000),
      Symbol(harmful.repeat(1000)),
      2n ** 4_000_000n,
      -(2n ** 4_000_000n),
      [harmful],
      { [harmful]: 1 },
      null,
      undefined,
      Number.NaN,
      () => {},
    ];
    for (const value of values) {
      const text = shown(value);
      assert.doesNotMatch(text, HARMFUL);
      assert.ok(text.length < 600, text);
    }
    assert.equal(shown(2n ** 64n), '18446744073709551616n');
    assert.equal(shown('"\n'), '"\\"\\n"');
  });

  test('that was thrown is told as far as it has words', () => {
    assert.equal(messageOf(new Error('no')), 'no');
    assert.equal(messageOf(Object.create(null)), 'an object');
  });
});

test('no error of this package carries control characters or a message without end', () => {
  const { message, stack } = new EvenkeelError(`the server says: ${harmful}${'x'.repeat(1e6)}`);
  assert.doesNotMatch(message.replace(/[\n\t]/g, ''), HARMFUL);
  assert.ok(message.length < 5000);
  assert.doesNotMatch(`${stack}`.replace(/[\n\t]/g, ''), HARMFUL);
});
