/** What was found out about an Orthanc, from its REST API, its configuration or its index. Pure data. */
import type { SoftwareVersion } from './orthanc-version.ts';
import type { SchemaVersion, SqliteAddition } from './schema-matrix.ts';

/** What keeps the index. `other`: a plugin that this program does not know. */
export const backends = ['sqlite', 'postgresql', 'mysql', 'odbc', 'other'] as const;
export type Backend = (typeof backends)[number];

/** Everything that is not known is `undefined`. */
export interface FoundServer {
  readonly orthanc: SoftwareVersion | undefined;
  readonly schema: SchemaVersion | undefined;
  readonly backend: Backend;
  /** Release of the index plugin. */
  readonly plugin: SoftwareVersion | undefined;
  /** Revision of the plugin's database (property 4; 0 if absent). */
  readonly revision: number | undefined;
  /** Whether `revision` was read from the database, or follows from the release of the plugin. */
  readonly revisionIsExact: boolean;
  /** Which additions inside schema version 6 a SQLite index has; `undefined` unless the index was read. */
  readonly sqliteAdditions: readonly SqliteAddition['name'][] | undefined;
  /** Instances, and bytes of all attachments as they lie in the storage. */
  readonly instances: number | undefined;
  readonly storedBytes: number | undefined;
  /** Configuration `StoreDicom`: `false` means that the index is all there is. */
  readonly storesDicom: boolean | undefined;
}

/** Nothing known yet. */
export const unknownServer: FoundServer = {
  orthanc: undefined,
  schema: undefined,
  backend: 'sqlite',
  plugin: undefined,
  revision: undefined,
  revisionIsExact: false,
  sqliteAdditions: undefined,
  instances: undefined,
  storedBytes: undefined,
  storesDicom: undefined,
};

/** What the user wants to have. */
export interface WantedServer {
  readonly orthanc: SoftwareVersion;
  /** Release of the index plugin; without it the newest that runs in the wanted Orthanc. */
  readonly plugin: SoftwareVersion | undefined;
  /** Back-end of the index; without it the one that is there. */
  readonly backend: Backend | undefined;
}
