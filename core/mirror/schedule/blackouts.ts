/** Whether a mirror may work at a moment, and if not, when it may again. Pure. */
import { type ScheduleConfiguration, type Weekday, weekdays } from './schedule-schema.ts';

type Blackout = ScheduleConfiguration['blackouts'][number];

const minutesPerDay = 24 * 60;
const minuteMs = 60_000;
/** Windows that follow each other for longer than a week leave no time to work at all. */
const longestMs = 8 * minutesPerDay * minuteMs;

export interface Openness {
  /** End of the blackout of everything; `undefined` while there is none. */
  readonly closedUntil: Date | undefined;
  /** Whether a complete comparison may go on. */
  readonly mayCompare: boolean;
}

/** What a schedule allows at a moment. */
export function opennessAt(schedule: ScheduleConfiguration | undefined, now: Date): Openness {
  if (schedule === undefined) return { closedUntil: undefined, mayCompare: true };
  const all = schedule.blackouts.filter(({ only }) => only === undefined);
  const closedUntil = endOf(all, schedule.timeZone, now);
  return { closedUntil, mayCompare: endOf(schedule.blackouts, schedule.timeZone, now) === undefined };
}

/** When the last of the windows ends that follow each other from `now` on; `undefined` if none holds now. */
function endOf(blackouts: readonly Blackout[], timeZone: string, now: Date): Date | undefined {
  const giveUpMs = now.getTime() + longestMs;
  // A window ends at the begin of a minute.
  let atMs = Math.floor(now.getTime() / minuteMs) * minuteMs;
  for (let held = false; ; held = true) {
    const wall = wallClock(new Date(atMs), timeZone);
    const left = blackouts.map((blackout) => minutesLeft(blackout, wall)).filter((minutes) => minutes > 0);
    if (left.length === 0) return held ? new Date(atMs) : undefined;
    // When the clock is put back or forward within a window its end is looked for again from where this one led to.
    atMs += Math.min(...left) * minuteMs;
    if (atMs >= giveUpMs) return new Date(atMs);
  }
}

interface WallClock {
  readonly day: Weekday;
  /** Since midnight. */
  readonly minutes: number;
}

function wallClock(moment: Date, timeZone: string): WallClock {
  const parts = new Intl.DateTimeFormat('en-GB', {
    timeZone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  }).formatToParts(moment);
  const part = (type: string) => parts.find((one) => one.type === type)?.value ?? '';
  const name = part('weekday').toLowerCase();
  const day = weekdays.find((one) => one === name) ?? 'mon';
  return { day, minutes: Number(part('hour')) * 60 + Number(part('minute')) };
}

/** Minutes of the wall clock until a window ends; 0 while it does not hold. */
function minutesLeft({ days, from, to }: Blackout, { day, minutes }: WallClock): number {
  const begin = minutesOf(from);
  const end = minutesOf(to) > begin ? minutesOf(to) : minutesOf(to) + minutesPerDay;
  const yesterday = weekdays[(weekdays.indexOf(day) + 6) % 7] ?? 'mon';
  if (days.includes(day) && minutes >= begin && minutes < end) return end - minutes;
  const sinceYesterday = minutes + minutesPerDay;
  return days.includes(yesterday) && sinceYesterday < end ? end - sinceYesterday : 0;
}

function minutesOf(timeOfDay: string): number {
  const [hours = '0', minutes = '0'] = timeOfDay.split(':');
  return Number(hours) * 60 + Number(minutes);
}
