import { EventEmitter } from 'node:events';
import { expect, test } from 'vitest';
import { formatBytes, formatCount, formatDuration } from '../../cli/format.ts';
import { type ProgressClock, progressLine, startProgress, timeLeftMs } from '../../cli/progress.ts';
import { createTerminal } from '../../cli/terminal.ts';
import { MirrorError } from '../../core/errors.ts';
import { telling } from '../../core/stores/activity.ts';

test.each([
  [0, '0 B'],
  [1023, '1023 B'],
  [1024, '1.00 KiB'],
  [1536, '1.50 KiB'],
  [15 * 1024 ** 2, '15.0 MiB'],
  [2 * 1024 ** 3, '2.00 GiB'],
  [300 * 1024 ** 4, '300 TiB'],
])('%i bytes are written %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});

test.each([
  [0, '0 s'],
  [59_400, '59 s'],
  [59_900, '1 min 00 s'],
  [185_000, '3 min 05 s'],
  [3_599_900, '1 h 00 min'],
  [2 * 3_600_000 + 7 * 60_000, '2 h 07 min'],
  [76 * 3_600_000, '3 d 04 h'],
])('%i ms are written %s', (durationMs, text) => {
  expect(formatDuration(durationMs)).toBe(text);
});

test('counts are grouped', () => {
  expect(formatCount(1_234_567)).toBe('1,234,567');
});

test('without a plan the line tells what is done and how fast', () => {
  expect(progressLine({ instances: 30, bytes: 15 * 1024 ** 2 }, 10_000)).toBe(
    '30 instances, 15.0 MiB, 3.0/s, 1.50 MiB/s',
  );
});

test('while the inventories are compared the line tells how far that is', () => {
  expect(progressLine({ instances: 0, bytes: 0, comparedFraction: 0.379 }, 1000)).toBe(
    '0 instances, 0 B, 0.0/s, 0 B/s, compared 37 %',
  );
});

test('with a plan it also tells the totals and the time left', () => {
  const progress = { instances: 100, bytes: 1024 ** 2, totalInstances: 400, totalBytes: 4 * 1024 ** 2 };
  expect(progressLine(progress, 1000)).toBe('100 of 400 instances, 1.00 MiB of 4.00 MiB, 100/s, 1.00 MiB/s, 3 s left');
});

test.each([
  ['nothing is planned', { instances: 1, bytes: 1 }, undefined],
  ['nothing is done yet', { instances: 0, bytes: 0, totalInstances: 9, totalBytes: 9 }, undefined],
  ['only instances are counted', { instances: 1, bytes: 0, totalInstances: 3 }, 2000],
  ['bytes are known', { instances: 1, bytes: 1, totalInstances: 2, totalBytes: 11 }, 10_000],
  ['more was done than planned', { instances: 4, bytes: 9, totalInstances: 3, totalBytes: 3 }, 0],
])('the time left when %s', (_, progress, leftMs) => {
  expect(timeLeftMs(progress, 1000)).toBe(leftMs);
});

test('the rate of now stands beside the average', () => {
  const now = { instances: 1, bytes: 1024 };
  expect(progressLine({ instances: 30, bytes: 15 * 1024 ** 2 }, 10_000, now)).toBe(
    '30 instances, 15.0 MiB, 3.0/s, 1.50 MiB/s, now 1.0/s, 1.00 KiB/s',
  );
});

test('what has no bytes is told without them', () => {
  expect(progressLine({ instances: 30, totalInstances: 60, unit: 'studies' }, 10_000)).toBe(
    '30 of 60 studies, 3.0/s, 10 s left',
  );
});

/** A stream of stderr that keeps what is written, and a clock that is moved by hand. */
function stage(isTTY: boolean) {
  const lines: string[] = [];
  const stream = Object.assign(new EventEmitter(), {
    isTTY,
    columns: 500,
    write: (text: string) => lines.push(text.replace('\r\u001b[2K', '').trimEnd()),
  });
  const terminal = createTerminal(Object.assign(new EventEmitter(), { write: () => true }), stream);
  let [now, everyMs] = [0, 0];
  let call = () => {};
  const clock: ProgressClock = {
    nowMs: () => now,
    every: (ms, tick) => {
      [everyMs, call] = [ms, tick];
      return {
        [Symbol.dispose]: () => {
          call = () => {};
        },
      };
    },
  };
  const pass = (ms: number) => {
    for (const end = now + ms; now < end; ) {
      now += everyMs;
      call();
    }
  };
  return { lines, terminal, clock, pass };
}

test.each([
  ['a terminal', true, 1000],
  ['a file', false, 5000],
])('on %s progress is told again and again, also while nothing happens', (_, isTTY, atLeastEveryMs) => {
  const { lines, terminal, clock, pass } = stage(isTTY);
  using shown = startProgress(terminal, 'listing', clock);
  pass(60_000);
  expect(lines.length).toBeGreaterThanOrEqual(60_000 / atLeastEveryMs);
  expect(lines.at(-1)).toMatch(/^listing: 1 min 00 s/);
  shown.phase('copying');
  shown.show({ instances: 3, bytes: 3072 });
  pass(5000);
  expect(lines.at(-1)).toContain('copying: 3 instances, 3.00 KiB');
});

test('nothing is told when it is over', () => {
  const { lines, terminal, clock, pass } = stage(true);
  startProgress(terminal, 'listing', clock)[Symbol.dispose]();
  pass(60_000);
  expect(lines).toEqual([]);
});

test('it says who does not answer, and for how long', async () => {
  const { lines, terminal, clock, pass } = stage(true);
  using _ = startProgress(terminal, 'listing', clock);
  const { promise, resolve } = Promise.withResolvers<void>();
  const call = telling('standby', () => promise);
  pass(35_000);
  expect(lines.at(-1)).toBe('waiting for standby for 35 s; listing: 35 s');
  resolve();
  await call;
  pass(1000);
  expect(lines.at(-1)).toBe('listing: 36 s, 1 answer');
});

test('it says who fails, why, how often it was tried, and stops when it answers', async () => {
  const { lines, terminal, clock, pass } = stage(true);
  using _ = startProgress(terminal, 'copying', clock);
  const refuse = () => telling('standby', () => Promise.reject(new MirrorError('unreachable', 'standby is away')));
  await expect(refuse()).rejects.toThrow();
  pass(10_000);
  await expect(refuse()).rejects.toThrow();
  pass(10_000);
  expect(lines.at(-1)).toContain('standby is away: try 3, for 20 s; copying');
  await telling('standby', async () => 1);
  pass(1000);
  expect(lines.at(-1)).not.toContain('away');
});
