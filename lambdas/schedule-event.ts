import * as z from 'zod';
import { MirrorError } from '../core/errors.ts';
import { nameSchema } from '../core/names.ts';

const scheduleEventSchema = z.strictObject({ mirror: nameSchema });

/** What a schedule sends. Throws `malformed-message`. */
export function parseScheduleEvent(event: unknown): z.output<typeof scheduleEventSchema> {
  const result = scheduleEventSchema.safeParse(event);
  if (!result.success) {
    throw new MirrorError('malformed-message', 'The event is not that of a schedule: {"mirror": "name"}.');
  }
  return result.data;
}
