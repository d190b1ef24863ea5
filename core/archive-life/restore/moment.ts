/** Times as users write them on the command line. */
import { MirrorError } from '../../errors.ts';

const pattern = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d(?:\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)?)?$/;

/**
 * Reads `2026-11-21`, `2026-11-21T10:30`, `2026-11-21T10:30:15Z` or `2026-11-21T10:30+01:00`. A time without a zone is
 * UTC, as everywhere in an archive; a date alone means its end, or its start where `dayMeans` says so.
 * Throws `configuration` for anything else.
 */
export function parseMoment(text: string, dayMeans: 'start' | 'end' = 'end'): Date {
  const [, date, time, seconds = ':00', zone = 'Z'] = pattern.exec(text.trim()) ?? [];
  const clock = time === undefined ? (dayMeans === 'end' ? '23:59:59.999' : '00:00:00') : `${time}${seconds}`;
  const moment = new Date(`${date ?? ''}T${clock}${zone}`);
  if (date === undefined || Number.isNaN(moment.getTime()) || !isCalendarDate(date)) {
    throw new MirrorError('configuration', 'a time is written 2026-11-21, or 2026-11-21T10:30 (UTC) or …T10:30+01:00');
  }
  return moment;
}

/** Reads `2026-11-21` or `20261121` as the form of DICOM, `20261121`. Throws `configuration` for anything else. */
export function parseStudyDate(text: string): string {
  const [, year, month, day] = /^(\d{4})-?(\d\d)-?(\d\d)$/.exec(text.trim()) ?? [];
  if (year === undefined || !isCalendarDate(`${year}-${month}-${day}`)) {
    throw new MirrorError('configuration', 'a study date is written 2026-11-21 or 20261121');
  }
  return `${year}${month}${day}`;
}

/** Some parsers move an impossible date such as 31 February. */
function isCalendarDate(date: string): boolean {
  const parsed = new Date(`${date}T00:00:00Z`);
  return !Number.isNaN(parsed.getTime()) && parsed.toISOString().startsWith(date);
}
