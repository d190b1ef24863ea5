/** What a server can hold and tell of what is not in the DICOM bytes, as told by `/system`. */
import { z } from 'zod';
import { type Rest, readJson } from './rest.ts';

const systemSchema = z.looseObject({
  ApiVersion: z.coerce.number().optional(),
  CheckRevisions: z.boolean().optional(),
  HasLabels: z.boolean().optional(),
  PatientLevelEnabled: z.boolean().optional(),
  UserMetadata: z.record(z.string(), z.int()).optional(),
  Capabilities: z
    .looseObject({ HasExtendedFind: z.boolean().optional(), HasKeyValueStores: z.boolean().optional() })
    .optional(),
});

export interface Abilities {
  /** Finds resources with labels, metadata and attachments in one request (1.12.5, unless the database cannot). */
  readonly extendedFind: boolean;
  /** `IsProtected` in listings (1.12.8). */
  readonly listsProtection: boolean;
  /** `POST /tools/bulk-content` (1.9.4). */
  readonly bulkContent: boolean;
  readonly labels: boolean;
  /** Changes of metadata and attachments must name the revision that they replace. */
  readonly checksRevisions: boolean;
  /** The `/patients` routes are there. */
  readonly patients: boolean;
  /** Number of each named user metadata; `undefined` where the server does not tell (before 1.12.0). */
  readonly metadataNumbers: Readonly<Record<string, number>> | undefined;
}

/** `ApiVersion` of 1.9.7, the first after 1.9.4 whose number is known for sure. */
const apiOfBulkContent = 15;

/** Reads `/system`. Throws `answer-malformed` if it is not Orthanc's, and what the connection throws. */
export async function readAbilities(rest: Rest): Promise<Abilities> {
  return abilitiesOf(await readJson(rest, { method: 'GET', path: '/system' }, systemSchema));
}

/** @returns the abilities of the server that answered so to `/system`. */
export function abilitiesOf(system: z.infer<typeof systemSchema>): Abilities {
  return {
    extendedFind: system.Capabilities?.HasExtendedFind === true,
    // Both came with 1.12.8; numbers of the API are not reliable there (1.12.7 says 27, others of its time 28).
    listsProtection: system.Capabilities?.HasKeyValueStores !== undefined,
    bulkContent: (system.ApiVersion ?? 0) >= apiOfBulkContent,
    labels: system.HasLabels === true,
    checksRevisions: system.CheckRevisions === true,
    patients: system.PatientLevelEnabled !== false,
    metadataNumbers: system.UserMetadata,
  };
}

/** A server and what it can. */
export interface StudyServer {
  readonly rest: Rest;
  readonly abilities: Abilities;
}
