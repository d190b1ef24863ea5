import { expect, test } from 'vitest';
import { parseMessage } from '../../core/cloud/queue/message.ts';
import { isMirrorError } from '../../core/errors.ts';

const id = '01234567-89abcdef-01234567-89abcdef-01234567';
const job = '20261121T030201.123Z-0a1b2c3d';
const good = { v: 1, mirror: 'main', kind: 'instance', id };

test.each([
  ['an instance', good],
  ['an instance with its size', { ...good, sizeBytes: 12 }],
  ['an instance of a restore job', { ...good, kind: 'restore', job, part: 1 }],
  ['a study of a restore job', { ...good, kind: 'restore-study', job, part: 12 }],
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
  ['a hash of an instance', JSON.stringify({ ...good, md5: '0123456789abcdef0123456789abcdef' })],
  ['a restore without a job', JSON.stringify({ ...good, kind: 'restore', part: 1 })],
  ['a restore that names its target', JSON.stringify({ ...good, kind: 'restore', job, part: 1, target: 'other' })],
  ['a restore that names the version', JSON.stringify({ ...good, kind: 'restore', job, part: 1, md5: 'x' })],
  ['a job that is a path', JSON.stringify({ ...good, kind: 'restore', job: '../../other', part: 1 })],
  ['a part that is a path', JSON.stringify({ ...good, kind: 'restore-study', job, part: '../1' })],
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
