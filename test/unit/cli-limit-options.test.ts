/** Which part of a source is mirrored, and how fast, as options. */
import { expect, test } from 'vitest';
import { limitsOf } from '../../cli/limit-options.ts';

const configured = {
  megabitsPerSecond: 100,
  filter: { modalities: ['CT'], studyDate: { withinDays: 30 } },
};

test('without options the configuration holds', () => {
  expect(limitsOf({}, configured)).toEqual(configured);
  expect(limitsOf({}, {})).toEqual({});
});

test('an option takes the place of its field, and of no other', () => {
  expect(limitsOf({ modality: ['MR', 'US'], megabitsPerSecond: 20 }, configured)).toEqual({
    megabitsPerSecond: 20,
    filter: { modalities: ['MR', 'US'], studyDate: { withinDays: 30 } },
  });
  const given = { patient: ['4711'], label: ['teaching'], since: '2024-01-31', until: '2024-12-31' };
  expect(limitsOf(given, {})).toEqual({
    filter: { patients: ['4711'], labels: ['teaching'], studyDate: { from: '20240131', to: '20241231' } },
  });
});

test('what means something else to a server is refused, and the value is not repeated', () => {
  expect(() => limitsOf({ patient: ['DOE*'] }, {})).toThrow(
    /^what is mirrored: patients\.0: holds .* not taken literally/,
  );
  expect(() => limitsOf({ modality: ['ct'] }, {})).toThrow(/is not a modality such as CT/);
});
