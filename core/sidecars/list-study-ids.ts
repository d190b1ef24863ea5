import { z } from 'zod';
import type { CallOptions } from '../call-options.ts';
import { isOrthancId, type OrthancId } from '../identifiers.ts';
import { listOf } from '../json.ts';
import type { StudyServer } from './study-server.ts';

const idsSchema = listOf(z.custom<OrthancId>(isOrthancId));

/** Lists the ids of all studies of a server, in ascending order: one request, 40 bytes of memory per study and more. */
export async function listStudyIds(
  { client }: StudyServer,
  { signal }: CallOptions = {},
): Promise<readonly OrthancId[]> {
  return (await client.getJson('/studies', idsSchema, { signal, long: true, ifMalformed: 'halt' })).toSorted();
}
