import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isInstanceId, isMd5, md5Of, orthancIdOf, resourceLevels } from '../../core/identifiers.ts';
import {
  afterId,
  attachmentKey,
  folders,
  historyFolder,
  historyKey,
  instanceFolder,
  instanceKey,
  keyTime,
  parseKey,
  parseKeyTime,
  patientKey,
  reportKey,
  stateKey,
  studyKey,
} from '../../core/stores/archive/keys.ts';

const ids = fc.string().map((text) => {
  const id = orthancIdOf(text);
  return isInstanceId(id) ? id : expect.fail('not an id');
});
const md5s = fc.string().map((text) => md5Of(Buffer.from(text)));
const times = fc.date({ min: new Date(0), max: new Date('2199-12-31'), noInvalidDate: true });
const hashes = md5s.map((md5) => md5.slice(0, 8));

describe('keys of an archive', () => {
  it('look as documented', () => {
    const id = orthancIdOf('a');
    const md5 = md5Of(Buffer.from('a'));
    const at = new Date('2026-11-21T03:02:01.123Z');
    expect(isInstanceId(id) && instanceKey(id, md5)).toBe(
      'instances/86f7e437-faa5a7fc-e15d1ddc-b9eaeaea-377667b8/0cc175b9c0f1b6a831c399e269772661.dcm',
    );
    expect(studyKey(id, at, '0123abcd')).toBe(`studies/${id}/20261121T030201.123Z-0123abcd.json`);
    expect(patientKey(id, at, '0123abcd')).toBe(`patients/${id}/20261121T030201.123Z-0123abcd.json`);
    expect(attachmentKey('series', id, 1024, md5)).toBe(`attachments/series/${id}/1024/${md5}`);
    const record = { id: isInstanceId(id) ? id : expect.fail('not an id'), number: 12 };
    expect(historyKey({ ...record, what: 'current', md5 })).toBe(`history/${id}/000012-current-${md5}.json`);
    expect(historyKey({ ...record, what: 'imported', md5 })).toBe(`history/${id}/000012-imported-${md5}.json`);
    expect(historyKey({ ...record, what: 'removed' })).toBe(`history/${id}/000012-removed.json`);
    expect(stateKey('main/cursor')).toBe('state/main/cursor.json');
    expect(reportKey('2026/check.json')).toBe('reports/2026/check.json');
  });

  it('are parsed to what they were built from', () => {
    fc.assert(
      fc.property(ids, md5s, times, hashes, fc.nat(65535), fc.constantFrom(...resourceLevels), (...parts) => {
        const [id, md5, at, hash8, number, level] = parts;
        expect(parseKey(instanceKey(id, md5))).toEqual({ kind: 'instance', id, md5 });
        expect(parseKey(studyKey(id, at, hash8))).toEqual({ kind: 'study', id, at, hash8 });
        expect(parseKey(patientKey(id, at, hash8))).toEqual({ kind: 'patient', id, at, hash8 });
        const attachment = { kind: 'attachment', level, id, number, md5 };
        expect(parseKey(attachmentKey(level, id, number, md5))).toEqual(attachment);
        for (const what of ['current', 'imported'] as const) {
          const record = { id, number: number + 1, what, md5 };
          expect(parseKey(historyKey(record))).toEqual({ kind: 'history', ...record });
        }
        const removed = { id, number: number + 1, what: 'removed' } as const;
        expect(parseKey(historyKey(removed))).toEqual({ kind: 'history', ...removed });
      }),
    );
    expect(parseKey('archive.json')).toEqual({ kind: 'manifest' });
    expect(parseKey(stateKey('main/cursor'))).toEqual({ kind: 'state', name: 'main/cursor' });
    expect(parseKey(reportKey('a.json'))).toEqual({ kind: 'report', name: 'a.json' });
  });

  it.each([
    '',
    'archive.json/',
    'instances/',
    'instances/x/0cc175b9c0f1b6a831c399e269772661.dcm',
    'instances/86f7e437-faa5a7fc-e15d1ddc-b9eaeaea-377667b8/0cc175b9c0f1b6a831c399e269772661',
    'instances/86f7e437-faa5a7fc-e15d1ddc-b9eaeaea-377667b8/0CC175B9C0F1B6A831C399E269772661.dcm',
    'instances/86f7e437-faa5a7fc-e15d1ddc-b9eaeaea-377667b8/0cc175b9c0f1b6a831c399e269772661.dcm/more',
    'instances/86F7E437-faa5a7fc-e15d1ddc-b9eaeaea-377667b8/0cc175b9c0f1b6a831c399e269772661.dcm',
    'studies/86f7e437-faa5a7fc-e15d1ddc-b9eaeaea-377667b8/20260231T000000.000Z-0123abcd.json',
    'attachments/servers/86f7e437-faa5a7fc-e15d1ddc-b9eaeaea-377667b8/1/0cc175b9c0f1b6a831c399e269772661',
    'attachments/series/86f7e437-faa5a7fc-e15d1ddc-b9eaeaea-377667b8/01/0cc175b9c0f1b6a831c399e269772661',
    'history/86f7e437-faa5a7fc-e15d1ddc-b9eaeaea-377667b8/000000-removed.json',
    'history/86f7e437-faa5a7fc-e15d1ddc-b9eaeaea-377667b8/1-removed.json',
    'history/86f7e437-faa5a7fc-e15d1ddc-b9eaeaea-377667b8/0000001-removed.json',
    'history/86f7e437-faa5a7fc-e15d1ddc-b9eaeaea-377667b8/000001-20261121T030201.123Z-removed.json',
    'history/86f7e437-faa5a7fc-e15d1ddc-b9eaeaea-377667b8/000001-removed-0cc175b9c0f1b6a831c399e269772661.json',
    'history/86f7e437-faa5a7fc-e15d1ddc-b9eaeaea-377667b8/000001-current.json',
    'history/86f7e437-faa5a7fc-e15d1ddc-b9eaeaea-377667b8/000001-current-0cc175b9.json',
    'history/86f7e437-faa5a7fc-e15d1ddc-b9eaeaea-377667b8/000001-other-0cc175b9c0f1b6a831c399e269772661.json',
    'state/.json',
    'lost+found/x',
  ])('do not include %j', (key) => {
    expect(parseKey(key)).toBeUndefined();
  });

  it('sort by id, then MD5, and resume after all versions of an id', () => {
    fc.assert(
      fc.property(ids, ids, md5s, md5s, (id, other, md5, otherMd5) => {
        expect(instanceKey(id, md5).startsWith(instanceFolder(id))).toBe(true);
        expect(instanceKey(id, md5) < instanceKey(id, otherMd5)).toBe(md5 < otherMd5);
        expect(instanceKey(id, md5) < afterId(folders.instances, id)).toBe(true);
        expect(instanceKey(other, md5) > afterId(folders.instances, id)).toBe(other > id);
      }),
    );
  });

  it('have records of an id that sort by their numbers', () => {
    const numbers = fc.integer({ min: 1, max: 999_999 });
    fc.assert(
      fc.property(ids, numbers, numbers, md5s, (id, a, b, md5) => {
        const one = historyKey({ id, number: a, what: 'current', md5 });
        const other = historyKey({ id, number: b, what: 'removed' });
        expect(one.startsWith(historyFolder(id))).toBe(true);
        if (a !== b) expect(one < other).toBe(a < b);
        expect(one < afterId(folders.history, id)).toBe(true);
      }),
    );
  });

  it('have times that sort like the time', () => {
    fc.assert(
      fc.property(times, times, (a, b) => {
        expect(keyTime(a) < keyTime(b)).toBe(a.getTime() < b.getTime());
        expect(parseKeyTime(keyTime(a))?.getTime()).toBe(a.getTime());
      }),
    );
  });

  it('hold hashes and ids only in their canonical form', () => {
    expect(isMd5('0CC175B9C0F1B6A831C399E269772661')).toBe(false);
    expect(parseKeyTime('2026-11-21T03:02:01.123Z')).toBeUndefined();
    expect(parseKeyTime(undefined)).toBeUndefined();
  });
});
