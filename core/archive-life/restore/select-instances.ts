/** From what a user asks for to the instances of an archive. */

import type { InstanceId, OrthancId } from '../../identifiers.ts';
import { readStudiesAt } from '../../sidecars/list-sidecars.ts';
import type { SidecarOptions } from '../../sidecars/sidecar-state.ts';
import type { Archive } from '../../stores/archive/archive.ts';
import { InstanceIdList } from '../../stores/orthanc/instance-id-list.ts';
import { headersWithoutSidecar } from '../catalogue/without-sidecar.ts';
import { ArchiveView, type ViewOptions } from './archive-view.ts';
import { identityIn, identityOfHeader, isSelected, type Selection } from './selection.ts';

export interface SelectOptions extends SidecarOptions, Pick<ViewOptions, 'at' | 'includeRemoved' | 'onUnreadable'> {}

export interface Selected {
  readonly instances: ReadonlySet<InstanceId>;
  /** Studies of which at least one series is selected. */
  readonly studies: ReadonlySet<OrthancId>;
}

/**
 * Finds the selected instances: those that sidecars name by these; of the others, which no document lists (yet),
 * the beginning of each file is read. An id tells nothing of its study, so every document is read: about as many
 * requests as there are studies. Keeps 24 bytes per instance in memory, and the ids of those selected.
 */
export async function selectInstances(
  archive: Archive,
  selection: Selection,
  options: SelectOptions,
): Promise<Selected> {
  const { at, includeRemoved, onUnreadable, onFinding, signal } = options;
  const instances = new Set<InstanceId>();
  const studies = new Set<OrthancId>();
  const documented = new InstanceIdList();
  for await (const { document } of readStudiesAt(archive.objects, { at, onFinding, signal })) {
    for (const series of document.series) {
      for (const { id } of series.instances) documented.add(id);
      if (!isSelected(identityIn(document, series), selection)) continue;
      studies.add(document.id);
      for (const { id } of series.instances) instances.add(id);
    }
  }
  const view = new ArchiveView(archive, { at, includeRemoved, onUnreadable });
  for await (const { id, header } of headersWithoutSidecar(archive, view, documented, { signal })) {
    if (header === undefined || !isSelected(identityOfHeader(header), selection)) continue;
    instances.add(id);
    studies.add(header.studyId);
  }
  return { instances, studies };
}
