/** The document of the schedule in an archive: `state/schedule.json`. */
import { restoreCursor, storeCursor, storedCursorSchema } from '../follow/stored-cursor.ts';
import type { ObjectStorage } from '../stores/archive/object-storage.ts';
import { StateDocument } from '../stores/archive/state.ts';
import { type ScheduleDocument, scheduleSchema } from './tick.ts';

const storedScheduleSchema = scheduleSchema.extend({ cursor: storedCursorSchema });

export function scheduleDocument(objects: ObjectStorage): ScheduleDocument {
  const document = new StateDocument(objects, 'schedule', storedScheduleSchema);
  return {
    async read(options) {
      const found = await document.read(options);
      return found && { version: found.version, value: { ...found.value, cursor: restoreCursor(found.value.cursor) } };
    },
    write: (schedule, version, options) =>
      document.write({ ...schedule, cursor: storeCursor(schedule.cursor) }, version, options),
  };
}
