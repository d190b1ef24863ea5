import { isOrthancEncoding, type OrthancEncoding } from '../dicom/charset.ts';
import type { OrthancClient } from '../stores/orthanc/http-client.ts';

/**
 * Asks a server in which encoding it reads texts whose file names none (`GET /tools/default-encoding`, Orthanc 1.1.0),
 * because its ids depend on it. `undefined` if it does not tell, or has one that is not known here.
 */
export async function defaultEncodingOf(client: OrthancClient): Promise<OrthancEncoding | undefined> {
  const name = (await client.findText('/tools/default-encoding'))?.trim();
  return isOrthancEncoding(name) ? name : undefined;
}
