import { expect, test } from 'vitest';
import { includesType, parseAccept } from '../../core/open/web/media-types.ts';

test('what is wanted most comes first, and what is refused does not come', () => {
  const ranges = parseAccept('image/png;q=0.5, image/jpeg, text/html;q=0');
  expect(ranges.map(({ type }) => type)).toEqual(['image/jpeg', 'image/png']);
});

test('a comma or semicolon in quotes separates nothing', () => {
  expect(parseAccept('multipart/related; type="application/dicom;x,y"; transfer-syntax=*')).toEqual([
    { type: 'multipart/related', parameters: { type: 'application/dicom;x,y', 'transfer-syntax': '*' } },
  ]);
});

test.each([[undefined], [''], ['  ']])('%j accepts anything', (accept) => {
  expect(parseAccept(accept)).toEqual([{ type: '*/*', parameters: {} }]);
});

test.each([
  ['*/*', 'image/png', true],
  ['image/*', 'image/png', true],
  ['image/*', 'application/dicom', false],
  ['image/png', 'image/png', true],
])('%s includes %s: %s', (range, type, expected) => {
  expect(includesType(range, type)).toBe(expected);
});

test('a header of any length is read in bounded time', () => {
  expect(parseAccept(`${'"'.repeat(100_000)}${'a/b,'.repeat(100_000)}`).length).toBeLessThanOrEqual(32);
});
