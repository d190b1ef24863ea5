import { describe, expect, test } from 'vitest';
import { parseMoment, parseStudyDate } from '../../core/archive-life/restore/moment.ts';
import { isSelected, type Selection, selectsAll } from '../../core/archive-life/restore/selection.ts';
import { orthancIdOf } from '../../core/identifiers.ts';

const series = {
  patient: orthancIdOf('P'),
  study: orthancIdOf('P', '1'),
  series: orthancIdOf('P', '1', '2'),
  patientId: 'P',
  studyInstanceUid: '1',
  seriesInstanceUid: '2',
  accessionNumber: 'A',
  studyDate: '20260301',
  modality: 'CT',
};

test.each<[string, Selection, boolean]>([
  ['nothing given', {}, true],
  ['its PatientID', { patients: ['P'] }, true],
  ['the id of its patient', { patients: [orthancIdOf('P')] }, true],
  ['a part of its PatientID', { patients: [''] }, false],
  ['one of several', { studies: ['9', '1'] }, true],
  ['one that is right and one that is not', { patients: ['P'], studies: ['9'] }, false],
  ['the id of another level', { studies: [orthancIdOf('P')] }, false],
  ['its series', { series: ['2'] }, true],
  ['its accession number', { accessionNumbers: ['A'] }, true],
  ['another modality', { modalities: ['MR'] }, false],
  ['the first day of a range', { since: '20260301', until: '20260302' }, true],
  ['the last day of a range', { since: '20260201', until: '20260301' }, true],
  ['a range before', { until: '20260228' }, false],
  ['a range after', { since: '20260302' }, false],
])('a series and %s', (_, selection, expected) => {
  expect(isSelected(series, selection)).toBe(expected);
});

test('a study without a date is in no range, and is in everything', () => {
  const { studyDate: _, ...undated } = series;
  expect(isSelected(undated, { since: '00000000' })).toBe(false);
  expect(isSelected(undated, {})).toBe(true);
});

test('an empty selection selects all, any other does not', () => {
  expect(selectsAll({ patients: [], since: undefined })).toBe(true);
  expect(selectsAll({ patients: ['P'] })).toBe(false);
});

describe('times', () => {
  test.each([
    ['2026-11-21', '2026-11-21T23:59:59.999Z'],
    ['2026-11-21T10:30', '2026-11-21T10:30:00.000Z'],
    ['2026-11-21 10:30:05', '2026-11-21T10:30:05.000Z'],
    ['2026-11-21T10:30:05.123Z', '2026-11-21T10:30:05.123Z'],
    ['2026-11-21T10:30+01:00', '2026-11-21T09:30:00.000Z'],
  ])('%s is %s', (text, expected) => {
    expect(parseMoment(text).toISOString()).toBe(expected);
  });

  test('a day may mean its start', () => {
    expect(parseMoment('2026-11-21', 'start').toISOString()).toBe('2026-11-21T00:00:00.000Z');
  });

  test.each(['', 'yesterday', '2026-02-30', '2026-13-01', '21.11.2026', '2026-11-21T25:00', '2026-11-21T10'])(
    '%j is refused',
    (text) => {
      expect(() => parseMoment(text)).toThrow('a time is written');
    },
  );

  test.each([
    ['2026-11-21', '20261121'],
    ['20261121', '20261121'],
  ])('the study date %s is %s', (text, expected) => {
    expect(parseStudyDate(text)).toBe(expected);
  });

  test.each(['2026-02-30', '2026', '20261301', 'today'])('the study date %j is refused', (text) => {
    expect(() => parseStudyDate(text)).toThrow('a study date is written');
  });
});
