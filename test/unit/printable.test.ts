import fc from 'fast-check';
import { expect, test } from 'vitest';
import { printable, printableJson, shortenedAmid } from '../../core/printable.ts';

/** All but the tab and the joiners. */
const acts = /(?![\t\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;

const acting = [
  ['an escape sequence', '\u001b[2J'],
  ['the one-byte form of an escape sequence', '\u009b2J'],
  ['a bell', '\u0007'],
  ['a deletion', '\u007f'],
  ['a new line', 'a\nb'],
  ['an override of the direction', '\u202egnp.exe'],
  ['an isolate', '\u2066x\u2069'],
  ['a mark of the direction', '\u200f'],
  ['a separator of lines', '\u2028'],
  ['a tag', '\u{e0041}'],
  ['half a character', '\ud83d'],
] as const;

test.each(acting)('shows %s instead of obeying it', (_, text) => {
  expect(printable(text)).not.toMatch(acts);
  expect(printable(text)).toMatch(/\\u[0-9a-f]{4}/);
});

test('leaves what people write alone', () => {
  const names = 'Müller^Jörg=山田^太郎=やまだ^たろう Łukasz Ωμέγα 😀 👨‍👩‍👧 می‌خواهم /a\tb/c.dcm';
  expect(printable(names)).toBe(names);
});

test('writes JSON that acts on nothing and means the same', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.string({ unit: 'binary' }), (value, text) => {
      const given = { value, text };
      const line = printableJson(given);
      expect(line).not.toMatch(acts);
      const lines = printableJson(given, 2);
      for (const each of lines.split('\n')) expect(each).not.toMatch(acts);
      for (const json of [line, lines]) expect(JSON.parse(json)).toEqual(JSON.parse(JSON.stringify(given)));
    }),
  );
});

test('shortens what is too long to be shown in its middle, and says so', () => {
  expect(shortenedAmid('short.dcm', 8)).toBe('short.… (9 characters) …cm');
  expect(shortenedAmid('short.dcm', 9)).toBe('short.dcm');
  const long = shortenedAmid(`${'x'.repeat(2_000_000)}.dcm`, 100);
  expect(long).toBe(`${'x'.repeat(75)}… (2000004 characters) …${'x'.repeat(21)}.dcm`);
  expect(shortenedAmid(`${'x'.repeat(74)}😀${'x'.repeat(100)}`, 100)).not.toMatch(/\p{Cs}/u);
});
