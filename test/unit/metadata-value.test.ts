import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  bytesOf,
  isSameValue,
  mayHideBytes,
  metadataValueOf,
  metadataValueSchema,
} from '../../core/sidecars/metadata-value.ts';

test('any bytes are a value, and come back as they were, from a sidecar too', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 20 }), fc.uint8Array({ maxLength: 20 }), (bytes, others) => {
      const value = metadataValueOf(bytes);
      expect(Buffer.from(bytesOf(value)).equals(bytes)).toBe(true);
      const read = metadataValueSchema.parse(JSON.parse(JSON.stringify(value)));
      expect(isSameValue(read, value)).toBe(true);
      expect(isSameValue(value, metadataValueOf(others))).toBe(Buffer.from(bytes).equals(others));
    }),
  );
});

test('text is text, a byte order mark included', () => {
  for (const text of ['', 'plain', 'caf\u00e9', '\ufeffmarked', '\u{10000}', '\ufffd', 'a\u0000b']) {
    expect(metadataValueOf(Buffer.from(text, 'utf8'))).toBe(text);
  }
  expect(metadataValueOf(Buffer.from('caf\u00e9', 'latin1'))).toEqual({ base64: 'Y2Fm6Q==' });
});

test.each([
  ['bytes that are a text', { base64: Buffer.from('text').toString('base64') }],
  ['base64 in another notation', { base64: 'Y2Fm6Q' }],
  ['what is no base64', { base64: '?' }],
  ['half a character', '\ud800'],
  ['something beside the bytes', { base64: '6Q==', more: 1 }],
])('a value has one form: %s is refused', (_, wrong) => {
  expect(metadataValueSchema.safeParse(wrong).success).toBe(false);
});

test('a listed value is believed unless a server may have written it in the place of other bytes', () => {
  expect(['', 'plain', 'caf\u00e9', '\ufeff', '\u{ffff}'].filter(mayHideBytes)).toEqual([]);
  expect(['caf\ufffd', '\u{10000}', '\u{1f600}'].filter(mayHideBytes)).toHaveLength(3);
});
