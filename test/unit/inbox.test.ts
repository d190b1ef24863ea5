/** Keys and notifications of the inbox. */
import { expect, test } from 'vitest';
import { doneKey, parseArrivingKey, reasonKey, refusedKey } from '../../core/cloud/inbox/inbox-keys.ts';
import { notificationOf, parseNotification } from '../../core/cloud/inbox/notification.ts';

test.each([
  ['new/main/a.dcm', { mirror: 'main', name: 'a.dcm' }],
  ['new/main/folder/with space/a', { mirror: 'main', name: 'folder/with space/a' }],
  ['new/main/new/main/a', { mirror: 'main', name: 'new/main/a' }],
  ['new/main/line\nbreak', { mirror: 'main', name: 'line\nbreak' }],
  ['new/main/', undefined],
  ['new/main/folder/', undefined],
  ['new/a.dcm', undefined],
  ['done/main/a.dcm', undefined],
  ['refused/main/a.dcm.reason.json', undefined],
])('%j arrives as %j', (key, place) => {
  expect(parseArrivingKey(key)).toEqual(place);
});

test('an object keeps its name when it is moved', () => {
  const place = { mirror: 'main', name: 'folder/Ä.dcm' };
  expect(doneKey(place)).toBe('done/main/folder/Ä.dcm');
  expect(refusedKey(place)).toBe('refused/main/folder/Ä.dcm');
  expect(reasonKey(place)).toBe('refused/main/folder/Ä.dcm.reason.json');
});

test('a name that is too long for its new folder gives way to its hash', () => {
  const place = { mirror: 'main', name: 'ä'.repeat(507) };
  expect(reasonKey(place)).toMatch(/^refused\/main\/[0-9a-f]{64}\.reason\.json$/);
  expect(Buffer.byteLength(reasonKey({ mirror: 'main', name: 'a'.repeat(999) }))).toBe(1024);
});

function notification(key: string, bucket = 'inbox', versionId: string | undefined = 'v1'): string {
  const record = { eventName: 'ObjectCreated:Put', s3: { bucket: { name: bucket }, object: { key, versionId } } };
  return JSON.stringify({ Records: [record] });
}

test('keys in notifications are encoded as in forms', () => {
  expect(parseNotification(notification('new/main/a+b%2Bc%C3%A4'), 'inbox')).toEqual([
    { key: 'new/main/a b+cä', versionId: 'v1' },
  ]);
});

test.each(['new/main/a b+c%ä/"<.dcm', 'new/main/line\nbreak'])(
  'what is found again is told as S3 tells it: %j',
  (key) => {
    expect(parseNotification(notificationOf('inbox', { key, versionId: 'v1' }), 'inbox')).toEqual([
      { key, versionId: 'v1' },
    ]);
  },
);

test('the message that S3 sends when notifications are set up is none', () => {
  expect(parseNotification(JSON.stringify({ Service: 'Amazon S3', Event: 's3:TestEvent' }), 'inbox')).toEqual([]);
});

test.each([
  ['no JSON', 'CANARY'],
  ['another bucket', notification('new/CANARY', 'another')],
  [
    'no version',
    JSON.stringify({
      Records: [{ eventName: 'ObjectCreated:Put', s3: { bucket: { name: 'inbox' }, object: { key: 'CANARY' } } }],
    }),
  ],
  ['a key that cannot be decoded', notification('new/%CANARY')],
])('a message with %s is refused without repeating it', (_name, body) => {
  expect(() => parseNotification(body, 'inbox')).toThrow(
    expect.objectContaining({ code: 'malformed-message', message: expect.not.stringContaining('CANARY') }),
  );
});
