/** Which instances a server lacks, and what must be written to it beside their bytes. */

import type { CallOptions } from '../../call-options.ts';
import { isMirrorError } from '../../errors.ts';
import type { InstanceId, OrthancId } from '../../identifiers.ts';
import { readArchivedPatient } from '../../sidecars/archive-sidecar.ts';
import { readStudiesAt } from '../../sidecars/list-sidecars.ts';
import { readStudySidecar } from '../../sidecars/read-sidecar.ts';
import type { StudySidecar } from '../../sidecars/sidecar.ts';
import type { SidecarOptions } from '../../sidecars/sidecar-state.ts';
import type { StudyServer } from '../../sidecars/study-server.ts';
import type { ObjectStorage } from '../../stores/archive/object-storage.ts';
import type { Store } from '../../stores/store.ts';
import { mergeJoin } from '../../streams/merge-join.ts';
import type { KeptRepairs, SidecarReference } from '../kept-repairs.ts';

/** The ids that `view` lists and `server` does not. */
export async function findMissing(
  view: Store,
  server: Store,
  { signal }: CallOptions = {},
): Promise<ReadonlySet<InstanceId>> {
  const missing = new Set<InstanceId>();
  for await (const { id, held } of mergeJoin([view.inventory({ signal }), server.inventory({ signal })])) {
    const [inView = [], onServer = []] = held;
    if (inView.length > 0 && onServer.length === 0) missing.add(id);
  }
  return missing;
}

export interface KeepSidecarsOptions extends SidecarOptions {
  /** The moment; absent: now. */
  readonly at?: Date | undefined;
  readonly archive: ObjectStorage;
  readonly server: StudyServer;
  readonly kept: KeptRepairs;
}

/**
 * Notes, for each study of which something is missing, where the archive has what was attached to the resources that
 * come back: the missing instances, and the series, study and patient that the server lacks altogether. What the server
 * has keeps what users attached to it there.
 */
export async function keepSidecarsOf(
  missing: ReadonlySet<InstanceId>,
  { at, archive, server, kept, onFinding, signal }: KeepSidecarsOptions,
): Promise<void> {
  for await (const { document, ...study } of readStudiesAt(archive, { at, onFinding, signal })) {
    const held = await heldStudy(document, missing, server, { signal });
    if (held === 'complete') continue;
    const ids = comingBack(document, missing, held);
    const patientComesBack =
      held === undefined &&
      server.capabilities.hasPatientLevel &&
      (await server.client.findText(`/patients/${document.patientId}`, { signal })) === undefined;
    const patient = patientComesBack
      ? await readArchivedPatient(archive, document.patientId, { notAfter: at, onFinding, signal })
      : undefined;
    const record = {
      version: 1 as const,
      at: new Date().toISOString(),
      study: referenceTo(study),
      ...(patient && { patient: referenceTo(patient) }),
      only: [...ids],
    };
    await kept.keep(document.id, record, { signal });
  }
}

function referenceTo({ id, key, hash8 }: SidecarReference): SidecarReference {
  return { id, key, hash8 };
}

async function heldStudy(
  document: StudySidecar,
  missing: ReadonlySet<InstanceId>,
  server: StudyServer,
  options: CallOptions,
): Promise<StudySidecar | 'complete' | undefined> {
  if (!document.series.some(({ instances }) => instances.some(({ id }) => missing.has(id)))) return 'complete';
  try {
    return await readStudySidecar(server, document.id, { ...options, instanceHashes: false });
  } catch (error) {
    if (isMirrorError(error, 'vanished')) return undefined;
    throw error;
  }
}

/** The resources of a study that the server will have only when the missing instances are back. Pure. */
export function comingBack(
  document: StudySidecar,
  missing: ReadonlySet<InstanceId>,
  held: StudySidecar | undefined,
): ReadonlySet<OrthancId> {
  const heldSeries = new Set(held?.series.map(({ id }) => id));
  const ids = new Set<OrthancId>(held === undefined ? [document.id] : []);
  for (const series of document.series) {
    const instances = series.instances.filter(({ id }) => missing.has(id));
    if (instances.length > 0 && !heldSeries.has(series.id)) ids.add(series.id);
    for (const { id } of instances) ids.add(id);
  }
  return ids;
}
