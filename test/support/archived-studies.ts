/** Archives in a temporary folder whose sidecars were written without a server. */
import { mkdtemp, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type InstanceId, isInstanceId, type Md5, md5Of, type OrthancId, orthancIdOf } from '../../core/identifiers.ts';
import { archiveSidecar } from '../../core/sidecars/archive-sidecar.ts';
import { type StudySidecar, studySidecarSchema } from '../../core/sidecars/sidecar.ts';
import { type Archive, openArchive } from '../../core/stores/archive/archive.ts';
import { FolderObjects } from '../../core/stores/archive/folder-objects.ts';
import { instanceKey } from '../../core/stores/archive/keys.ts';
import type { GetOptions, ObjectStorage, OpenObject } from '../../core/stores/archive/object-storage.ts';
import { noFindings } from './no-findings.ts';

/** Remembers the keys that were read. */
export class WatchedObjects extends FolderObjects {
  readonly read: string[] = [];

  override get(key: string, options?: GetOptions): Promise<OpenObject | undefined> {
    this.read.push(key);
    return super.get(key, options);
  }
}

export interface WatchedArchive {
  readonly archive: Archive;
  readonly objects: WatchedObjects;
  readonly path: string;
  /** The clock of the records. */
  readonly clock: { now: Date };
}

export async function watchedArchive(): Promise<WatchedArchive> {
  const folder = await mkdtemp(join(tmpdir(), 'orthanc-mirror-archive-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'archive');
  const objects = new WatchedObjects(path);
  const clock = { now: new Date() };
  const archive = await openArchive(objects, { createFor: { name: 'source' }, writer: 'run', now: () => clock.now });
  return { archive, objects, path, clock };
}

/** The id of the n-th instance of the tests. */
export function instanceId(n: number): InstanceId {
  const id = orthancIdOf('patient', 'study', 'series', String(n));
  if (!isInstanceId(id)) throw new Error('an id');
  return id;
}

/** The document of the n-th study, which has the given instances. */
export function studySidecar(n: number, instances: readonly InstanceId[], more: object = {}): StudySidecar {
  return studySidecarSchema.parse({
    format: 'orthanc-mirror-study',
    version: 1,
    id: studyId(n),
    patientId: orthancIdOf(`P${n}`),
    patientTags: { PatientID: `P${n}` },
    tags: { StudyInstanceUID: `1.2.${n}`, StudyDate: `2026010${n + 1}`, AccessionNumber: `A${n}` },
    series: [
      {
        id: orthancIdOf(`P${n}`, `1.2.${n}`, 'series'),
        tags: { Modality: n % 2 === 0 ? 'CT' : 'MR' },
        instances: instances.map((id) => ({ id, md5: md5Of(Buffer.from(id)), sizeBytes: 44, fileUuid: null })),
      },
    ],
    ...more,
  });
}

export function studyId(n: number): OrthancId {
  return orthancIdOf(`P${n}`, `1.2.${n}`);
}

export async function addSidecar(
  { objects }: { readonly objects: ObjectStorage },
  document: StudySidecar,
  at: string,
): Promise<void> {
  const attachments = async () => {
    throw new Error('these sidecars have no attachments');
  };
  await archiveSidecar(objects, document, { attachments, now: () => new Date(at), ...noFindings });
}

/** Puts an instance into an archive as if that had happened at a time. */
export async function addInstance(
  { archive, path, clock }: WatchedArchive,
  n: number,
  text: string,
  at: string,
): Promise<Md5> {
  const bytes = Buffer.from(text);
  const md5 = md5Of(bytes);
  clock.now = new Date(at);
  await archive.store({ id: instanceId(n), md5, sizeBytes: bytes.length }, bytes);
  await utimes(join(path, instanceKey(instanceId(n), md5)), new Date(at), new Date(at));
  return md5;
}
