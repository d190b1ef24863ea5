import type { PlannedInstance } from '../compare/plan.ts';
import type { Announcement } from './tick.ts';

/** What was compared since the state was saved. */
export interface ComparedPart {
  ids: number;
  readonly announcements: Announcement[];
}

export function emptyPart(): ComparedPart {
  return { ids: 0, announcements: [] };
}

export function addTo(part: ComparedPart, { id, request }: PlannedInstance): void {
  part.ids += 1;
  if (request === undefined) return;
  const { sizeBytes } = request;
  part.announcements.push({ kind: 'instance', id, sizeBytes });
}
