/** A server that sidecars are read from or written to. */
import * as z from 'zod';
import type { CallOptions } from '../call-options.ts';
import { recordOf } from '../json.ts';
import type { OrthancCapabilities } from '../stores/orthanc/capabilities.ts';
import type { OrthancClient } from '../stores/orthanc/http-client.ts';
import type { OrthancStore } from '../stores/orthanc/orthanc-store.ts';

export interface StudyServer {
  readonly client: OrthancClient;
  readonly capabilities: StudyCapabilities;
}

/** What a server can hold and tell of what is not in the DICOM bytes. */
export interface StudyCapabilities
  extends Pick<
    OrthancCapabilities,
    'apiVersion' | 'hasExtendedFind' | 'hasAttachmentInfo' | 'hasLabels' | 'checkRevisions' | 'hasPatientLevel'
  > {
  /** Listings tell the protection of patients (1.12.8). */
  readonly listsProtection: boolean;
  /** Number of each named user metadata; `undefined` where the server does not tell (before 1.12.0). */
  readonly metadataNumbers: Readonly<Record<string, number>> | undefined;
}

const systemSchema = z.object({
  UserMetadata: recordOf(z.string(), z.int()).optional(),
  Capabilities: z.object({ HasKeyValueStores: z.boolean().optional() }).optional(),
});

/** Asks a server what it can; once per process and server. Throws what the connection throws. */
export async function studyServerOf(store: OrthancStore, options: CallOptions = {}): Promise<StudyServer> {
  const { client } = store;
  const [capabilities, system] = await Promise.all([
    store.capabilities(options),
    client.getJson('/system', systemSchema, options),
  ]);
  return {
    client,
    capabilities: {
      ...capabilities,
      // Both came with 1.12.8. The number of the API does not tell: 1.12.7 says 27, as 1.12.6 does.
      listsProtection: system.Capabilities?.HasKeyValueStores !== undefined,
      metadataNumbers: system.UserMetadata,
    },
  };
}
