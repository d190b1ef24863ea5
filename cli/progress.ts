/**
 * The progress of a running copy: one status line that is rewritten on a terminal, one line every few seconds where
 * stderr is a file or a pipe.
 */
import { formatBytes, formatCount, formatDuration } from './format.ts';
import type { Terminal } from './terminal.ts';

/** How far a copy is. Totals are `undefined` until the plan is known. */
export interface Progress {
  readonly instances: number;
  readonly bytes: number;
  /** How much of the inventories is compared, from 0 to 1; `undefined` once everything is. */
  readonly comparedFraction?: number | undefined;
  readonly totalInstances?: number | undefined;
  readonly totalBytes?: number | undefined;
}

const statusEveryMs = 200;
const lineEveryMs = 5000;

/** One line of progress: what is done, how fast, how long to go. */
export function progressLine(progress: Progress, elapsedMs: number): string {
  const { instances, bytes, totalInstances, totalBytes } = progress;
  const seconds = Math.max(elapsedMs, 1) / 1000;
  const parts = [
    `${formatCount(instances)}${ofTotal(totalInstances, formatCount)} instances`,
    `${formatBytes(bytes)}${ofTotal(totalBytes, formatBytes)}`,
    `${(instances / seconds).toFixed(instances / seconds < 10 ? 1 : 0)}/s`,
    `${formatBytes(bytes / seconds)}/s`,
  ];
  const left = timeLeftMs(progress, elapsedMs);
  if (left !== undefined) parts.push(`${formatDuration(left)} left`);
  const { comparedFraction } = progress;
  if (comparedFraction !== undefined) parts.push(`compared ${Math.floor(comparedFraction * 100)} %`);
  return parts.join(', ');
}

/** The time to go at the present rate; by bytes where their total is known, else by instances. */
export function timeLeftMs(progress: Progress, elapsedMs: number): number | undefined {
  const { instances, bytes, totalInstances, totalBytes } = progress;
  if (totalBytes !== undefined && bytes > 0) return (Math.max(totalBytes - bytes, 0) / bytes) * elapsedMs;
  if (totalInstances !== undefined && instances > 0) {
    return (Math.max(totalInstances - instances, 0) / instances) * elapsedMs;
  }
  return undefined;
}

function ofTotal(total: number | undefined, format: (value: number) => string): string {
  return total === undefined ? '' : ` of ${format(total)}`;
}

/**
 * Starts showing progress.
 * @returns what to call with each progress; it prints no more often than a reader can follow.
 */
export function startProgress(
  terminal: Terminal,
  clock: () => number = () => performance.now(),
): (p: Progress) => void {
  const startedAt = clock();
  const everyMs = terminal.interactive ? statusEveryMs : lineEveryMs;
  let shownAt = startedAt;
  return (progress) => {
    const now = clock();
    if (now - shownAt < everyMs) return;
    shownAt = now;
    const line = progressLine(progress, now - startedAt);
    if (terminal.interactive) terminal.showStatus(line);
    else terminal.say(line);
  };
}
