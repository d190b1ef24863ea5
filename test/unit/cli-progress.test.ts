import { expect, test } from 'vitest';
import { formatBytes, formatCount, formatDuration } from '../../cli/format.ts';
import { progressLine, startProgress, timeLeftMs } from '../../cli/progress.ts';
import type { Terminal } from '../../cli/terminal.ts';

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

test.each([
  ['a terminal', true, [0, 100, 200, 300, 400], 2],
  ['a file', false, [0, 200, 4900, 5000, 9000, 10_100], 2],
])('progress on %s is shown no more often than it can be read', (_, interactive, times, lines) => {
  const shown: string[] = [];
  let now = 0;
  const show = (line: string) => void shown.push(line);
  const terminal: Terminal = {
    print: show,
    printJson: () => undefined,
    warn: show,
    say: show,
    showStatus: show,
    interactive,
    readerGone: false,
  };
  const report = startProgress(terminal, () => now);
  for (const time of times) {
    now = time;
    report({ instances: 1, bytes: 1 });
  }
  expect(shown).toHaveLength(lines);
});
