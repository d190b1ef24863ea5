/** Durations on the command line: `90s`, `5m`, `12h`, `30d`. */
import { InvalidArgumentError, type Option } from 'commander';
import { valueOption } from './options.ts';

const unitMs: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** An option whose value is a duration; milliseconds when parsed. */
export function durationOption(flags: string, description: string): Option {
  return valueOption(flags, description).argParser(parseDuration);
}

/** @returns milliseconds. */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)([smhd])$|^0$/.exec(text.trim());
  if (match === null) throw new InvalidArgumentError('It must be a time such as 90s, 5m, 12h, 30d or 0.');
  return Number(match[1] ?? 0) * (unitMs[match[2] ?? 's'] ?? 0);
}
