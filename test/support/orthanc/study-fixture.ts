/** Real servers that hold the same study, and what tests of sidecars need around them. */
import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type InstanceId, type OrthancId, orthancIdOf } from '../../../core/identifiers.ts';
import { type StudyServer, studyServerOf } from '../../../core/sidecars/study-server.ts';
import { type Archive, openArchive } from '../../../core/stores/archive/archive.ts';
import { FolderObjects } from '../../../core/stores/archive/folder-objects.ts';
import { type OrthancStore, openOrthancStore } from '../../../core/stores/orthanc/orthanc-store.ts';
import { type GeneratedInstance, generateInstance } from '../../../local/dicom/generate.ts';
import { identifiersOf } from '../../../local/dicom/identifiers.ts';
import { endWithProcess } from '../../../local/end-with-process.ts';
import { type OrthancServer, startOrthanc } from '../../../local/orthanc-server.ts';

/** A running server with the product's connection to it. */
export interface ServerUnderTest {
  readonly url: string;
  readonly running: OrthancServer;
  readonly store: OrthancStore;
  readonly server: StudyServer;
  /** Starts it again with other settings and the same storage; this object cannot be used afterwards. */
  reconfigure(config: Readonly<Record<string, unknown>>): Promise<ServerUnderTest>;
  stop(): Promise<void>;
}

/** Starts a server in a temporary folder. */
export async function startServer(
  version: string,
  config: Readonly<Record<string, unknown>> = {},
  plugins: readonly string[] = [],
): Promise<ServerUnderTest> {
  const folder = await mkdtemp(join(tmpdir(), 'studies-orthanc-'));
  try {
    return await startIn(folder, version, config, plugins);
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

/** Throws when it cannot be started or asked; nothing runs then. */
async function startIn(
  folder: string,
  version: string,
  config: Readonly<Record<string, unknown>>,
  plugins: readonly string[],
): Promise<ServerUnderTest> {
  const running = await startOrthanc({ version, config, plugins, folder });
  const takeBack = endWithProcess(() => rmSync(folder, { recursive: true, force: true }));
  const store = openOrthancStore({ url: running.url });
  const end = async () => {
    await store.close();
    await running.kill();
    await running.stop();
    takeBack();
  };
  const server = await studyServerOf(store).catch(async (error: unknown) => {
    await end();
    throw error;
  });
  return {
    url: running.url,
    running,
    store,
    server,
    reconfigure: async (changed) => {
      await end();
      return startIn(folder, version, changed, plugins);
    },
    stop: async () => {
      await end();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** An empty archive in a temporary folder. */
export async function temporaryArchive(): Promise<{ readonly archive: Archive; remove(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'studies-'));
  const archive = await openArchive(new FolderObjects(join(folder, 'archive')), { createFor: { name: 'source' } });
  const remove = async () => {
    await archive.close();
    await rm(folder, { recursive: true, force: true });
  };
  return { archive, remove };
}

/** A generated study of one series, with the ids that Orthanc gives to its levels. */
export interface GeneratedStudy {
  readonly patients: OrthancId;
  readonly studies: OrthancId;
  readonly series: OrthancId;
  readonly instances: InstanceId;
  readonly files: readonly GeneratedInstance[];
}

/** Generates `count` instances of one study; `instances` is the id of the first. */
export function generateStudy(seed: string, count: number, sizeBytes = 4096): GeneratedStudy {
  const place = { seed, patient: 0, study: 0, series: 0 };
  const files = Array.from({ length: count }, (_, instance) => generateInstance({ ...place, instance }, sizeBytes));
  const { patientId, studyInstanceUid, seriesInstanceUid } = identifiersOf({ ...place, instance: 0 });
  const [first] = files;
  if (first === undefined) throw new Error('a study has at least one instance');
  return {
    patients: orthancIdOf(patientId),
    studies: orthancIdOf(patientId, studyInstanceUid),
    series: orthancIdOf(patientId, studyInstanceUid, seriesInstanceUid),
    instances: first.id,
    files,
  };
}
