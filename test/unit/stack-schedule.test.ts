import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { startSchedule } from '../../local/stack/schedule.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('a schedule runs at once and then again after each interval, until it is stopped', async () => {
  const task = vi.fn(() => Promise.resolve());
  const stop = startSchedule(1000, task, () => undefined);
  expect(task).toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(3000);
  expect(task).toHaveBeenCalledTimes(4);
  stop();
  await vi.advanceTimersByTimeAsync(3000);
  expect(task).toHaveBeenCalledTimes(4);
});

test('a task that takes longer than the interval never runs twice at a time', async () => {
  const ends: (() => void)[] = [];
  const task = vi.fn(() => new Promise<void>((resolve) => ends.push(resolve)));
  const stop = startSchedule(1000, task, () => undefined);
  await vi.advanceTimersByTimeAsync(5500);
  expect(task).toHaveBeenCalledTimes(1);
  ends[0]?.();
  await vi.advanceTimersByTimeAsync(1000);
  expect(task).toHaveBeenCalledTimes(2);
  stop();
});

test('a schedule goes on after a failure, and tells it', async () => {
  const failures: string[] = [];
  const stop = startSchedule(
    1000,
    () => Promise.reject(new Error('no')),
    ({ message }) => failures.push(message),
  );
  await vi.advanceTimersByTimeAsync(2000);
  expect(failures).toEqual(['no', 'no', 'no']);
  stop();
});
