import { expect, test } from 'vitest';
import { opennessAt } from '../../core/mirror/schedule/blackouts.ts';
import { type ScheduleConfiguration, scheduleSchema } from '../../core/mirror/schedule/schedule-schema.ts';

const hospital = scheduleSchema.parse({
  timeZone: 'Europe/Berlin',
  blackouts: [
    { days: ['mon', 'tue', 'wed', 'thu', 'fri'], from: '07:30', to: '12:00' },
    { days: ['sat'], from: '22:00', to: '04:00' },
    { from: '12:00', to: '18:00', only: 'comparison' },
  ],
});

function closedUntil(moment: string, schedule: ScheduleConfiguration = hospital): string | undefined {
  return opennessAt(schedule, new Date(moment)).closedUntil?.toISOString();
}

test.each([
  ['before it begins, in winter', '2026-11-23T06:29:59Z', undefined],
  ['when it begins', '2026-11-23T06:30:00Z', '2026-11-23T11:00:00.000Z'],
  ['within it', '2026-11-23T10:59:30Z', '2026-11-23T11:00:00.000Z'],
  ['when it ends', '2026-11-23T11:00:00Z', undefined],
  ['an hour earlier by UTC in summer', '2026-07-20T05:30:00Z', '2026-07-20T10:00:00.000Z'],
  ['on a day that it does not name', '2026-11-22T08:00:00Z', undefined],
  ['over midnight, before', '2026-11-21T21:30:00Z', '2026-11-22T03:00:00.000Z'],
  ['over midnight, after', '2026-11-22T02:59:00Z', '2026-11-22T03:00:00.000Z'],
  ['in the night before its day', '2026-11-21T02:00:00Z', undefined],
  // On the last Sunday of October the hour from 2 to 3 happens twice.
  ['in the night in which the clock is put back', '2026-10-24T23:00:00Z', '2026-10-25T03:00:00.000Z'],
])('a blackout holds as the clock on the wall says: %s', (_what, moment, expected) => {
  expect(closedUntil(moment)).toBe(expected);
});

test('a blackout of comparisons lets new instances through', () => {
  expect(opennessAt(hospital, new Date('2026-11-22T12:00:00Z'))).toEqual({ closedUntil: undefined, mayCompare: false });
  expect(opennessAt(hospital, new Date('2026-11-22T17:00:00Z'))).toEqual({ closedUntil: undefined, mayCompare: true });
});

test('windows that follow each other are one', () => {
  const both = scheduleSchema.parse({
    blackouts: [
      { from: '08:00', to: '10:00' },
      { from: '10:00', to: '11:30' },
    ],
  });
  expect(closedUntil('2026-11-23T09:00:00Z', both)).toBe('2026-11-23T11:30:00.000Z');
});

test('without a schedule a mirror always works', () => {
  expect(opennessAt(undefined, new Date())).toEqual({ closedUntil: undefined, mayCompare: true });
});

test.each([{ timeZone: 'Mars/Olympus' }, { blackouts: [{ from: '25:00', to: '04:00' }] }])(
  'a schedule that makes no sense is refused: %j',
  (schedule) => {
    expect(scheduleSchema.safeParse(schedule).success).toBe(false);
  },
);
