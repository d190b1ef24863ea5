/** What the archive says of itself to clients of Orthanc. */
import packageJson from '../../../package.json' with { type: 'json' };
import type { ArchiveReader } from '../reader/archive-reader.ts';

/** The version of Orthanc whose REST interface is spoken here, as far as it reads. */
const spokenVersion = { Version: '1.12.5', ApiVersion: 26 };

/** `/system`. */
export function systemJson({ archive, at }: ArchiveReader): unknown {
  const { source } = archive.manifest;
  return {
    ...spokenVersion,
    Name: `${source.name} (archive${at === undefined ? '' : ` as of ${at.toISOString()}`}, read-only)`,
    /** Not Orthanc, but what speaks like it. */
    Software: `orthanc-mirror ${packageJson.version}`,
    ReadOnly: true,
    HasLabels: true,
    CheckRevisions: false,
    DatabaseVersion: 6,
    DatabaseBackendPlugin: null,
    StorageAreaPlugin: null,
    DatabaseServerIdentifier: archive.manifest.createdAt,
    OverwriteInstances: false,
    StorageCompression: false,
    StoreMD5ForAttachments: true,
    IngestTranscoding: '',
    MaximumStorageSize: 0,
    MaximumPatientCount: 0,
    UserMetadata: {},
    PluginsEnabled: true,
    Capabilities: { HasExtendedFind: true, HasExtendedChanges: true },
  };
}

/** Everything that was counted in the archive at the moment. */
export interface Counts {
  readonly instances: number;
  readonly sizeBytes: number;
}

/** `/statistics`. */
export async function statisticsJson(reader: ArchiveReader, { instances, sizeBytes }: Counts): Promise<unknown> {
  const studies = await reader.studies();
  const megabytes = Math.floor(sizeBytes / 2 ** 20);
  return {
    CountPatients: new Set(studies.map(({ patient }) => patient)).size,
    CountStudies: studies.length,
    CountSeries: studies.reduce((sum, { series }) => sum + series, 0),
    CountInstances: instances,
    TotalDiskSize: String(sizeBytes),
    TotalDiskSizeMB: megabytes,
    TotalUncompressedSize: String(sizeBytes),
    TotalUncompressedSizeMB: megabytes,
  };
}

/**
 * `/changes`: an archive keeps what there was, not what happened when, so the feed is empty. Whoever asks only for
 * changes of metadata or attachments is told that there was one: there may be some at every level.
 */
export function changesJson(query: URLSearchParams, someStudy: string | undefined): unknown {
  const types = (query.get('type') ?? '').split(';');
  const asksAttached = types.includes('UpdatedMetadata') || types.includes('UpdatedAttachment');
  if (!asksAttached || someStudy === undefined || Number(query.get('since') ?? 0) >= 1) {
    return { Changes: [], Done: true, First: 0, Last: 0 };
  }
  const change = {
    Seq: 1,
    ChangeType: types[0],
    ResourceType: 'Study',
    ID: someStudy,
    Path: `/studies/${someStudy}`,
    Date: '19700101T000000',
  };
  return { Changes: [change], Done: true, First: 1, Last: 1 };
}
