/** Which study's sidecar must be written again because of an entry of the change feed. */

import type { CallOptions } from '../call-options.ts';
import { isMirrorError } from '../errors.ts';
import type { OrthancId, ResourceLevel } from '../identifiers.ts';
import type { Change } from '../stores/change-feed.ts';
import { listedResourceSchema } from './listed-resource.ts';
import { resourcePath } from './read-options.ts';
import type { StudyServer } from './study-server.ts';

/**
 * @returns whether a change tells that a study's sidecar, or its patient's, has another content now. New instances do
 * not: the study announces itself when it is stable. Labels, protection and deletions are in no feed: see
 * `listStudyFingerprints`.
 */
export function announcesStudy({ type, level }: Pick<Change, 'type' | 'level'>): boolean {
  switch (type) {
    case 'StableStudy':
      return level === 'studies';
    case 'UpdatedMetadata':
    case 'UpdatedAttachment':
      return true;
    default:
      return false;
  }
}

/**
 * @returns the study to synchronize because of a change, or `undefined` if there is none (any more). A change of a
 * patient names one of the patient's studies: with it the patient is synchronized too. Asks the server once for a
 * change of any level but the study's.
 */
export async function studyOfChange(
  server: StudyServer,
  change: Pick<Change, 'type' | 'level' | 'id'>,
  { signal }: CallOptions = {},
): Promise<OrthancId | undefined> {
  if (!announcesStudy(change)) return undefined;
  if (change.level === 'studies') return change.id;
  try {
    const path = pathToStudy(change.level, change.id);
    const resource = await server.client.getJson(path, listedResourceSchema, { signal });
    return change.level === 'patients' ? resource.Studies?.[0] : resource.ID;
  } catch (error) {
    if (isMirrorError(error, 'vanished')) return undefined;
    throw error;
  }
}

function pathToStudy(level: ResourceLevel, id: OrthancId): string {
  return level === 'patients' ? resourcePath(level, id) : `${resourcePath(level, id)}/study`;
}
