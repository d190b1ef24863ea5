/** The part of the configuration that says when a mirror pauses. */
import * as z from 'zod';

export const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
export type Weekday = (typeof weekdays)[number];

const timeOfDay = z.string().regex(/^(?:[01]\d|2[0-3]):[0-5]\d$/, { error: 'is not a time of the day such as 07:30' });

const blackoutSchema = z.strictObject({
  days: z
    .array(z.enum(weekdays))
    .min(1)
    .default([...weekdays])
    .describe('Days on which it begins.'),
  from: timeOfDay.describe('When it begins.'),
  to: timeOfDay.describe('When it ends; on the next day, if that is not later than `from`.'),
  only: z
    .literal('comparison')
    .optional()
    .describe('Absent: nothing is asked or copied. `comparison`: what is new is copied, complete comparisons wait.'),
});

export const scheduleSchema = z
  .strictObject({
    timeZone: z
      .string()
      .default('UTC')
      .refine(isTimeZone, { error: 'is not a time zone such as Europe/Berlin' })
      .describe('Time zone of the times, such as `Europe/Berlin`; summer time is observed.'),
    blackouts: z.array(blackoutSchema).default([]).describe('When the mirror pauses.'),
  })
  .describe('When the mirror works. Absent: always.');
export type ScheduleConfiguration = z.output<typeof scheduleSchema>;

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
