import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { matches } from '../../core/open/search/attribute-match.ts';

const finds = (vr: string, wanted: string, value: string, fuzzy = false) =>
  matches({ tag: 0, vr, wanted: wanted === '' ? [] : wanted.split('|'), fuzzy }, value === '' ? [] : value.split('\\'));

describe('a search', () => {
  test.each([
    ['LO', 'CHEST', 'CHEST', true],
    ['LO', 'chest', 'CHEST', true],
    ['LO', 'CHEST', 'CHEST PA', false],
    ['LO', 'CHE*', 'CHEST PA', true],
    ['LO', '*PA', 'CHEST PA', true],
    ['LO', 'C?EST*', 'CHEST PA', true],
    ['LO', 'a.c', 'abc', false],
    ['LO', '(', '(', true],
    ['UI', '1.2.3|1.2.4', '1.2.4', true],
    ['UI', '1.2.3', '1.2.34', false],
    ['CS', 'CT', 'MR\\CT', true],
    ['LO', '', '', true],
    ['LO', '*', '', true],
    ['LO', 'x', '', false],
    ['PN', 'doe*', 'DOE^JANE', true],
    ['PN', 'ドウ*', 'DOE^JANE=ドウ^ジェーン', true],
    ['DA', '20260101-20261231', '20260704', true],
    ['DA', '20260101-', '20251231', false],
    ['DA', '-20260101', '20260101', true],
    ['DA', '20260101-20261231', '', false],
    ['DA', '19990101-19991231', '1999.05.24', true],
    ['TM', '1000-1159', '115930.5', true],
    ['TM', '1000-1159', '120000', false],
  ])('of %s for %s finds %s: %s', (vr, wanted, value, expected) => {
    expect(finds(vr, wanted, value)).toBe(expected);
  });

  test.each([
    ['jane doe', 'DOE^JANE', true],
    ['mull', 'MÜLLER^ANNA', true],
    ['ann mul', 'MÜLLER^ANNA', true],
    ['ler', 'MÜLLER^ANNA', false],
  ])('that is fuzzy for %s finds the name %s: %s', (wanted, value, expected) => {
    expect(finds('PN', wanted, value, true)).toBe(expected);
  });

  test('finds every text by itself and by any part of it between asterisks', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 40 }), fc.nat(), fc.nat(), (text, a, b) => {
        fc.pre(!/[*?\\]/.test(text) && text !== '');
        const [from, to] = [a % text.length, b % (text.length + 1)].sort((x, y) => x - y);
        const whole = matches({ tag: 0, vr: 'LO', wanted: [text], fuzzy: false }, [text]);
        const part = matches({ tag: 0, vr: 'LO', wanted: [`*${text.slice(from, to)}*`], fuzzy: false }, [text]);
        return whole && part;
      }),
    );
  });

  test('with a pattern made to take for ever ends', () => {
    expect(finds('LT', `${'*a'.repeat(4_000)}b`, 'a'.repeat(60_000))).toBe(false);
  });
});
