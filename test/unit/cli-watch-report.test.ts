import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { eventText, lifeText, watchObserver } from '../../cli/run/watch-report.ts';
import { createTerminal } from '../../cli/terminal.ts';
import type { MirrorEvent } from '../../core/mirror/mirror-events.ts';

beforeEach(() => {
  vi.useFakeTimers({ now: Date.parse('2026-11-21T02:46:00Z') });
});
afterEach(() => {
  vi.useRealTimers();
});

const archive = { role: 'archive', store: '/mnt/x' } as const;
const reason = 'the archive that was there is gone; is its file system mounted?';

test.each<[MirrorEvent, string]>([
  [
    { ...archive, kind: 'away', code: 'unreachable', reason, sinceMs: 0, askedAgainInMs: 20_000 },
    `archive /mnt/x cannot be used: ${reason} (unreachable); asked again in 20 s`,
  ],
  [
    { ...archive, kind: 'away', code: 'unreachable', reason, sinceMs: 185_000, askedAgainInMs: 65_000 },
    `archive /mnt/x has not been usable for 3 min 05 s: ${reason} (unreachable); asked again in 1 min 05 s`,
  ],
  [
    {
      role: 'mirror',
      store: '*',
      kind: 'away',
      code: 'paused',
      reason: 'paused since noon',
      sinceMs: 0,
      askedAgainInMs: undefined,
    },
    'the whole mirror rests: paused since noon',
  ],
  [{ ...archive, kind: 'back', afterMs: 43_000 }, 'archive /mnt/x can be used again after 43 s'],
  [{ kind: 'comparing', reason: 'first run' }, 'comparing everything: first run'],
  [
    { kind: 'compared', instances: 1234, copied: 17, durationMs: 12_000, leftOut: [] },
    'compared 1,234 instances in 12 s, copied 17',
  ],
  [
    { kind: 'compared', instances: 1234, copied: 0, durationMs: 1000, leftOut: ['/mnt/x'] },
    'compared 1,234 instances in 1 s, copied 0; /mnt/x missed a part of it',
  ],
  [
    { kind: 'arrived', instances: 3, bytes: 1_572_864, lagMs: 4000 },
    'copied 3 new instances, 1.50 MiB, 4 s after the source got the first',
  ],
  [{ kind: 'arrived', instances: 1, bytes: 512, lagMs: undefined }, 'copied 1 new instance, 512 B'],
  [
    { kind: 'delayed', what: 'sidecars', store: 'standby', code: 'server-error', reason: 'standby answered 500' },
    'not all sidecars are equal, and is tried again later: standby answered 500 (server-error)',
  ],
])('an event is a line of text: %j', (event, text) => {
  expect(eventText(event)).toBe(text);
});

test('a sign of life tells what was copied, and who cannot be used', () => {
  const away = [{ ...archive, sinceMs: 43_000 }];
  expect(lifeText({ copied: 1234, bytes: 2048, quietMs: 12_000, comparing: false, away })).toBe(
    'watching: 1,234 instances copied (2.00 KiB), last copied 12 s ago; not usable: archive /mnt/x for 43 s',
  );
  expect(lifeText({ copied: 0, bytes: 0, quietMs: undefined, comparing: true, away: [] })).toBe(
    'comparing: 0 instances copied (0 B), nothing copied yet',
  );
});

function printed(json: boolean) {
  const [stdout, stderr]: [string[], string[]] = [[], []];
  const stream = (lines: string[]) => ({ write: (text: string) => lines.push(text), on: () => undefined });
  return { stdout, stderr, report: watchObserver(createTerminal(stream(stdout), stream(stderr)), { json }) };
}

test('a watch says every minute that it lives, with the time, until it ends', () => {
  const { stdout, stderr, report } = printed(false);
  report.onEvent({ ...archive, kind: 'away', code: 'unreachable', reason, sinceMs: 0, askedAgainInMs: 1000 });
  vi.advanceTimersByTime(180_000);
  expect(stderr).toHaveLength(4);
  expect(stderr[0]).toMatch(/^2026-11-21T02:46:00Z archive \/mnt\/x cannot be used/);
  expect(stderr[3]).toMatch(/^2026-11-21T02:49:00Z watching: .*not usable: archive \/mnt\/x for 3 min 00 s\n$/);
  report[Symbol.dispose]();
  vi.advanceTimersByTime(180_000);
  expect([stderr.length, stdout.length]).toEqual([4, 0]);
});

test('with --json the same are lines of JSON on stdout, and nothing is on stderr', () => {
  const { stdout, stderr, report } = printed(true);
  report.onEvent({ ...archive, kind: 'back', afterMs: 43_000 });
  vi.advanceTimersByTime(60_000);
  expect(stdout.map((line) => JSON.parse(line) as unknown)).toEqual([
    { type: 'back', at: '2026-11-21T02:46:00.000Z', role: 'archive', store: '/mnt/x', afterMs: 43_000 },
    { type: 'alive', at: '2026-11-21T02:47:00.000Z', copied: 0, bytes: 0, comparing: false, away: [] },
  ]);
  expect(stderr).toEqual([]);
  report[Symbol.dispose]();
});

test.each([false, true])('a reason says which option helps (--json: %s)', (json) => {
  const { stdout, stderr, report } = printed(json);
  const advice = 'give-certificate-authority';
  report.onEvent({ ...archive, kind: 'away', code: 'tls-untrusted', reason, advice, sinceMs: 0, askedAgainInMs: 1000 });
  report.onEvent({ kind: 'delayed', what: 'sidecars', store: 'standby', code: 'tls-untrusted', reason, advice });
  const lines = json ? stdout : stderr;
  expect(lines).toHaveLength(2);
  for (const line of lines) {
    expect(line).toContain(`${reason}; --source-ca or --target-ca names its file`);
    expect(line).not.toContain(advice);
  }
  report[Symbol.dispose]();
});
