/** The page of a mirror says on top whether somebody has to do something, and why. */
import { describe, expect, test } from 'vitest';
import { viewOf } from '../../cli/status/status-view.ts';
import type { MirrorStatus } from '../../core/cloud/status/status-document.ts';
import { pageOf, statusPage } from '../../core/cloud/status/status-page.ts';

const measuredAt = '2026-11-21T12:00:00.000Z';
const hoursAgo = (hours: number) => new Date(Date.parse(measuredAt) - hours * 3_600_000).toISOString();

const destination: MirrorStatus['destinations'][number] = {
  name: 'archive',
  instances: 240,
  countedAt: hoursAgo(20),
  newestPendingSeconds: 0,
  oldestPendingSeconds: 0,
  missing: 0,
  oldestUnverifiedSeconds: 29 * 86_400,
  error: null,
};
const good: MirrorStatus = {
  version: 1,
  mirror: 'main',
  measuredAt,
  source: { instances: 242, error: null },
  destinations: [destination],
  comparedAt: hoursAgo(5),
  comparedAgeSeconds: 5 * 3600,
  comparing: false,
  watchedSeconds: 400 * 86_400,
  paused: null,
  queue: { waiting: 0, inFlight: 0, deadLetters: 0 },
};
const verdict = (page: string) => /<p class="verdict (\w+)">([^<]+)<\/p>/.exec(page)?.slice(1);

describe('the page of the cloud', () => {
  test('is well when all is, and tells the age of a count', () => {
    const page = statusPage(good);
    expect(verdict(page)).toEqual(['well', 'All well']);
    expect(page).toContain('20 h ago');
  });

  const bad: readonly (readonly [string, MirrorStatus, string, RegExp])[] = [
    ['dead letters', { ...good, queue: { ...good.queue, deadLetters: 77 } }, 'act', /dead letters\): 77/],
    [
      '6 days behind',
      { ...good, destinations: [{ ...destination, oldestPendingSeconds: 6 * 86_400 }] },
      'act',
      /6 days/,
    ],
    [
      'not read back',
      { ...good, destinations: [{ ...destination, oldestUnverifiedSeconds: 33 * 86_400 }] },
      'look',
      /33/,
    ],
    ['unreachable', { ...good, source: { instances: null, error: 'unreachable' } }, 'act', /not measured: unreachable/],
    ['missing', { ...good, destinations: [{ ...destination, missing: 1 }] }, 'act', /archive: 1/],
    ['never compared', { ...good, comparedAt: null }, 'look', /none yet/],
    ['paused', { ...good, paused: { code: 'full', reason: 'no room', until: hoursAgo(-1) } }, 'act', /no room/],
  ];
  test.each(bad)('says on top that something is wrong: %s', (_, status, level, reason) => {
    const page = statusPage(status);
    expect(verdict(page)?.[0]).toBe(level);
    expect(/<ul>.*<\/ul>/.exec(page)?.[0]).toMatch(reason);
  });

  test('shows names as text, whatever they hold', () => {
    expect(statusPage({ ...good, mirror: '<script>x</script>' })).not.toContain('<script>');
  });
});

describe('the page of one machine', () => {
  const status = {
    type: 'status' as const,
    mirror: null,
    measuredAt,
    stores: [{ name: 'source', instances: 242, error: null }],
    comparedAt: hoursAgo(5),
    comparing: null,
    paused: [],
    last: [{ command: 'verify', at: hoursAgo(30), version: '1', exitCode: 0 } as const],
  };
  const page = (change: Partial<Parameters<typeof viewOf>[0]>) => pageOf(viewOf({ ...status, ...change }, '/archive'));

  test('is well when all is, and tells how the last commands ended', () => {
    expect(verdict(page({}))?.[0]).toBe('well');
    expect(page({})).toMatch(/verify.*30 h ago.*all done and equal/);
  });

  test('is well however long ago a run ended, if a watch compared since', () => {
    const run = { command: 'run', at: hoursAgo(30 * 24), version: '1', exitCode: 130 } as const;
    expect(verdict(page({ last: [run] }))?.[0]).toBe('well');
    expect(verdict(page({ last: [run], comparedAt: hoursAgo(8 * 24) }))?.[0]).toBe('act');
  });

  test('is not when a verification found damage, nobody compared, a server is away, or one is skipped', () => {
    const damage = { command: 'verify', at: hoursAgo(1), version: '1', exitCode: 4 } as const;
    expect(verdict(page({ last: [damage] }))?.[0]).toBe('act');
    expect(verdict(page({ comparedAt: null }))?.[0]).toBe('look');
    expect(verdict(page({ stores: [{ name: 'a', instances: null, error: 'away' }] }))?.[0]).toBe('act');
    expect(verdict(page({ paused: [{ store: '*', code: 'paused', reason: 'asked', begunAt: measuredAt }] }))?.[0]).toBe(
      'act',
    );
  });
});
