/** What a server deletes with an instance, and whether it can be written again. Pure. */
import type { InstanceId, OrthancId } from '../../identifiers.ts';
import { hasNamedMetadata, type ResourceContent, type StudySidecar } from '../../sidecars/sidecar.ts';
import type { OrthancCapabilities } from '../../stores/orthanc/capabilities.ts';

export interface Destroyed {
  /** The instance, and each of its parents that has no other child (Orthanc deletes empty parents). */
  readonly ids: ReadonlySet<OrthancId>;
  /** The study is among them, and then perhaps the patient. */
  readonly study: boolean;
  readonly contents: readonly ResourceContent[];
  /** The server's name of the instance's file; another one once it was stored anew. */
  readonly fileUuid: string | null;
}

/** @returns what disappears with an instance; `undefined` if the study does not have it. */
export function destroyedWith(document: StudySidecar, id: InstanceId): Destroyed | undefined {
  const series = document.series.find(({ instances }) => instances.some((instance) => instance.id === id));
  const instance = series?.instances.find((one) => one.id === id);
  if (series === undefined || instance === undefined) return undefined;
  const onlyInstance = series.instances.length === 1;
  const study = onlyInstance && document.series.length === 1;
  const gone = [instance, ...(onlyInstance ? [series] : []), ...(study ? [document] : [])];
  const { fileUuid } = instance;
  return { ids: new Set(gone.map((one) => one.id)), study, contents: gone, fileUuid };
}

/** @returns why deleting would lose something that cannot be written again, or `undefined` if it would not. */
export function reasonAgainst(destroyed: Destroyed, capabilities: OrthancCapabilities): string | undefined {
  if (capabilities.readOnly) return 'it is read-only';
  if (capabilities.ingestTranscoding !== undefined) {
    return 'it transcodes what it receives (IngestTranscoding), so that it would hold other bytes again';
  }
  if (capabilities.hasMd5 === false)
    return 'it keeps no hashes (StoreMD5ForAttachments off), which are needed to prove it';
  if (hasNamedMetadata(destroyed.contents)) {
    return 'it holds user metadata by a name whose number it does not tell, which could not be written again';
  }
  if (destroyed.study && !capabilities.hasPatientLevel) {
    return 'the study would be deleted with its only instance, and what is attached to its patient cannot be read (PatientLevelEnabled)';
  }
  return undefined;
}
