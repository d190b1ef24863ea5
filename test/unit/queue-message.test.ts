import { expect, test } from 'vitest';
import { isMirrorError } from '../../core/errors.ts';
import { parseMessage } from '../../core/queue/message.ts';

const id = '01234567-89abcdef-01234567-89abcdef-01234567';
const good = { v: 1, mirror: 'main', kind: 'instance', id };

test.each([
  ['an instance', good],
  ['an instance with what was listed', { ...good, md5: '0123456789abcdef0123456789abcdef', sizeBytes: 12 }],
  ['a study', { ...good, kind: 'study' }],
])('%s can be named', (_what, message) => {
  expect(parseMessage(JSON.stringify(message))).toEqual(message);
});

test.each([
  ['a text that is no JSON', 'PATIENT^NAME'],
  ['nothing', ''],
  ['a list', '[]'],
  ['a message of another version', JSON.stringify({ ...good, v: 2 })],
  ['a server', JSON.stringify({ ...good, url: 'https://evil.example.org' })],
  ['a bucket', JSON.stringify({ ...good, bucket: 'other' })],
  ['a mirror that is a path', JSON.stringify({ ...good, mirror: '../other' })],
  ['an id that is a path', JSON.stringify({ ...good, id: '../../etc/passwd' })],
  ['an id that is a URL', JSON.stringify({ ...good, id: 'https://evil.example.org/' })],
  ['an id in capitals', JSON.stringify({ ...good, id: id.toUpperCase() })],
  ['a hash that is none', JSON.stringify({ ...good, md5: 'x' })],
  ['a negative size', JSON.stringify({ ...good, sizeBytes: -1 })],
  ['the hash of a study', JSON.stringify({ ...good, kind: 'study', md5: '0123456789abcdef0123456789abcdef' })],
  ['a prototype', `{"__proto__": {"v": 1}, "v": 1, "mirror": "main", "kind": "instance", "id": "${id}"}`],
])('%s is refused, and the refusal repeats nothing of it', (_what, body) => {
  try {
    parseMessage(body);
    expect.unreachable();
  } catch (error) {
    expect(isMirrorError(error, 'malformed-message')).toBe(true);
    expect(String(error)).not.toMatch(/PATIENT|evil|passwd|other/);
  }
});
