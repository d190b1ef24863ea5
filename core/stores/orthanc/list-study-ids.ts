import * as z from 'zod';
import type { CallOptions } from '../../call-options.ts';
import { isOrthancId, type OrthancId } from '../../identifiers.ts';
import { listOf } from '../../json.ts';
import type { OrthancClient } from './http-client.ts';

const idsSchema = listOf(z.custom<OrthancId>(isOrthancId));

/** Lists the ids of all studies of a server, in ascending order: one request, 40 bytes of memory per study and more. */
export async function listStudyIds(
  { client }: { readonly client: OrthancClient },
  { signal }: CallOptions = {},
): Promise<readonly OrthancId[]> {
  const call = { signal, long: true, ifMalformed: 'halt', statusCodes: { 404: 'not-orthanc' } } as const;
  return (await client.getJson('/studies', idsSchema, call)).toSorted();
}
