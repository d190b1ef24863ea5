import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keptBackups, reliableTime } from '../../core/host/backup/retention.ts';

const dayMs = 86_400_000;
const at = (text: string) => ({ id: text, takenAt: new Date(text) });

describe('retention', () => {
  it('keeps the last backup of each of the newest days, weeks and months', () => {
    const backups = [
      '2026-03-31T02:00:00Z',
      '2026-04-30T02:00:00Z',
      '2026-05-10T02:00:00Z',
      '2026-05-17T02:00:00Z',
      '2026-05-19T02:00:00Z',
      '2026-05-20T02:00:00Z',
      '2026-05-20T14:00:00Z',
    ].map(at);
    expect([...keptBackups(backups, { daily: 2, weekly: 2, monthly: 3 })].toSorted()).toEqual([
      '2026-03-31T02:00:00Z',
      '2026-04-30T02:00:00Z',
      '2026-05-17T02:00:00Z',
      '2026-05-19T02:00:00Z',
      '2026-05-20T14:00:00Z',
    ]);
  });

  it('keeps the newest by a rule that keeps nothing', () => {
    const backups = ['2026-05-19T02:00:00Z', '2026-05-20T02:00:00Z'].map(at);
    expect([...keptBackups(backups, { daily: 0, weekly: 0, monthly: 0 })]).toEqual(['2026-05-20T02:00:00Z']);
  });

  it('always keeps the newest, and never more than the rule allows', () => {
    const rule = fc.record({ daily: fc.nat(10), weekly: fc.nat(5), monthly: fc.nat(5) });
    const times = fc.uniqueArray(fc.integer({ min: 0, max: 400 * 24 }), { maxLength: 60 });
    fc.assert(
      fc.property(rule, times, (limits, hours) => {
        const backups = hours.map((hour) => ({ id: String(hour), takenAt: new Date((hour * dayMs) / 24) }));
        const kept = keptBackups(backups, limits);
        expect(kept.size).toBeLessThanOrEqual(Math.max(1, limits.daily + limits.weekly + limits.monthly));
        if (hours.length > 0) expect(kept).toContain(String(Math.max(...hours)));
      }),
    );
  });
});

describe('the time of a backup', () => {
  const now = new Date('2026-05-20T12:00:00Z');
  const told = '2026-05-19T02:00:00Z';
  it.each([
    [told, '2026-05-19T02:00:01Z', '2026-05-19T02:00:01Z'],
    [told, '2026-05-19T01:30:00Z', '2026-05-19T01:30:00Z'],
    // Written again, copied, or made by a clock that was wrong.
    [told, '2026-05-20T02:00:00Z', undefined],
    [told, '2026-05-18T02:00:00Z', undefined],
    ['2999-01-01T00:00:00Z', '2026-05-19T02:00:00Z', undefined],
    ['2999-01-01T00:00:00Z', '2999-01-01T00:00:00Z', undefined],
    ['1970-01-01T00:00:00Z', '2026-05-19T02:00:00Z', undefined],
  ])('that says %s, of an archive that says %s, is %s', (toldAt, writtenAt, expected) => {
    expect(reliableTime(new Date(toldAt), new Date(writtenAt), now)).toEqual(expected && new Date(expected));
  });
});
