/** What a server tells of itself in `GET /system`, for every version from 0.9.5 on. */
import * as z from 'zod';
import type { CallOptions } from '../../call-options.ts';
import { isMirrorError, MirrorError } from '../../errors.ts';
import type { StatusCodes } from './failures.ts';
import type { OrthancClient } from './http-client.ts';

/** `undefined` where a server is too old to tell. */
export interface OrthancCapabilities {
  /** `1.12.7`; a development build may call itself `mainline`. */
  readonly version: string;
  /** Rises with the REST API: 16 is 1.10.0, 26 is 1.12.5. Before 1.5.5 a decimal fraction, before 1.3.2 absent (0). */
  readonly apiVersion: number;
  /** Listings tell attachments and come in the order of ids (1.12.5, and an index that can: not MySQL, not ODBC). */
  readonly hasExtendedFind: boolean;
  /** The change feed can be filtered by type (1.12.5, same indexes). */
  readonly hasExtendedChanges: boolean;
  /** `/attachments/dicom/info` tells MD5 and size in one request (1.10.0). */
  readonly hasAttachmentInfo: boolean;
  readonly hasLabels: boolean;
  readonly checkRevisions: boolean;
  /** Whether the server keeps hashes (`StoreMD5ForAttachments`, told from 1.13.0 on). */
  readonly hasMd5: boolean | undefined;
  readonly readOnly: boolean;
  /** Transfer syntax to which received instances are transcoded, if they are (told from 1.11.0 on). */
  readonly ingestTranscoding: string | undefined;
  /** What becomes of other bytes under a known id (told from 1.11.0 on). */
  readonly overwriteMode: 'never' | 'always' | 'if-changed' | undefined;
  readonly storageCompression: boolean | undefined;
  /** 0 means no limit (told from 1.11.3 on). */
  readonly maximumStorageSizeMb: number | undefined;
  /** What happens at the limit: old patients are deleted, or new instances refused with 507. */
  readonly maximumStorageMode: 'recycle' | 'reject' | undefined;
  /** 0 means no limit (told from 1.12.4 on). */
  readonly maximumPatientCount: number | undefined;
  /** Survives restarts, changes with the database (told from 1.11.1 on). */
  readonly serverIdentifier: string | undefined;
  readonly databaseVersion: number | undefined;
  /** Path of the plugin that keeps the index or the files; `undefined` for Orthanc's own. */
  readonly databasePlugin: string | undefined;
  readonly storagePlugin: string | undefined;
  /** Whether `/patients` exists (may be switched off from 1.12.11 on). */
  readonly hasPatientLevel: boolean;
}

const systemSchema = z.looseObject({
  Version: z.string(),
  ApiVersion: z.union([z.number(), z.string()]).optional(),
  DatabaseVersion: z.union([z.number(), z.string()]).optional(),
  DatabaseBackendPlugin: z.string().nullish(),
  StorageAreaPlugin: z.string().nullish(),
  DatabaseServerIdentifier: z.string().optional(),
  CheckRevisions: z.boolean().optional(),
  HasLabels: z.boolean().optional(),
  ReadOnly: z.boolean().optional(),
  IngestTranscoding: z.string().optional(),
  OverwriteInstances: z.union([z.boolean(), z.string()]).optional(),
  OverwriteInstancesMode: z.string().optional(),
  StorageCompression: z.boolean().optional(),
  StoreMD5ForAttachments: z.boolean().optional(),
  MaximumStorageSize: z.number().optional(),
  MaximumStorageMode: z.string().optional(),
  MaximumPatientCount: z.number().optional(),
  PatientLevelEnabled: z.boolean().optional(),
  Capabilities: z
    .looseObject({ HasExtendedFind: z.boolean().optional(), HasExtendedChanges: z.boolean().optional() })
    .optional(),
});

type SystemAnswer = z.output<typeof systemSchema>;

const apiOfAttachmentInfo = 16;

/** 400 is what nginx says to a client without the certificate that it wants. */
const systemCodes: StatusCodes = { 400: 'forbidden', 404: 'not-orthanc' };

/** Asks a server what it is. Throws `not-orthanc` if it is something else. */
export async function readCapabilities(client: OrthancClient, options: CallOptions): Promise<OrthancCapabilities> {
  try {
    const system = await client.getJson('/system', systemSchema, { ...options, statusCodes: systemCodes });
    return capabilitiesOf(system);
  } catch (error) {
    if (!isMirrorError(error, 'answer-malformed')) throw error;
    const hint = 'does the address name the REST API, with its base path?';
    throw new MirrorError('not-orthanc', `${client.name} is not an Orthanc server: ${hint}`, {
      cause: error,
      store: client.name,
    });
  }
}

/** Exported for tests of answers of servers that are too old to be installed. */
export function parseCapabilities(system: unknown): OrthancCapabilities {
  return capabilitiesOf(systemSchema.parse(system));
}

function capabilitiesOf(system: SystemAnswer): OrthancCapabilities {
  const apiVersion = Number(system.ApiVersion ?? 0) || 0;
  return {
    version: system.Version,
    apiVersion,
    hasExtendedFind: system.Capabilities?.HasExtendedFind ?? false,
    hasExtendedChanges: system.Capabilities?.HasExtendedChanges ?? false,
    hasAttachmentInfo: apiVersion >= apiOfAttachmentInfo,
    hasLabels: system.HasLabels ?? false,
    checkRevisions: system.CheckRevisions ?? false,
    hasMd5: system.StoreMD5ForAttachments,
    readOnly: system.ReadOnly ?? false,
    ingestTranscoding: nonEmpty(system.IngestTranscoding),
    overwriteMode: overwriteModeOf(system.OverwriteInstancesMode ?? system.OverwriteInstances),
    storageCompression: system.StorageCompression,
    maximumStorageSizeMb: system.MaximumStorageSize,
    maximumStorageMode: storageModeOf(system.MaximumStorageMode),
    maximumPatientCount: system.MaximumPatientCount,
    serverIdentifier: nonEmpty(system.DatabaseServerIdentifier),
    databaseVersion: system.DatabaseVersion === undefined ? undefined : Number(system.DatabaseVersion),
    databasePlugin: nonEmpty(system.DatabaseBackendPlugin),
    storagePlugin: nonEmpty(system.StorageAreaPlugin),
    hasPatientLevel: system.PatientLevelEnabled ?? true,
  };
}

function overwriteModeOf(mode: boolean | string | undefined): OrthancCapabilities['overwriteMode'] {
  if (mode === undefined) return undefined;
  if (mode === true || mode === 'Always') return 'always';
  return mode === 'IfChanged' ? 'if-changed' : 'never';
}

function storageModeOf(mode: string | undefined): OrthancCapabilities['maximumStorageMode'] {
  if (mode === undefined) return undefined;
  return mode === 'Reject' ? 'reject' : 'recycle';
}

function nonEmpty(text: string | null | undefined): string | undefined {
  return text === '' || text === null ? undefined : text;
}
