/** What no sidecar lists: instances that came since, and archives that have no sidecars at all. */

import type { CallOptions } from '../../call-options.ts';
import type { DicomHeader } from '../../dicom/dicom-header.ts';
import type { InstanceId, Md5 } from '../../identifiers.ts';
import { type MomentOptions, readStudiesAt } from '../../sidecars/list-sidecars.ts';
import type { Archive } from '../../stores/archive/archive.ts';
import { InstanceIdList } from '../../stores/orthanc/instance-id-list.ts';
import type { InventoryEntry, Store } from '../../stores/store.ts';
import { mapInOrder } from '../../streams/in-parallel.ts';
import { mergeJoin } from '../../streams/merge-join.ts';
import { readArchivedHeader } from './read-header.ts';

/** An instance that no document lists. */
export interface InstanceWithoutSidecar {
  readonly id: InstanceId;
  readonly md5: Md5;
  readonly sizeBytes: number | undefined;
  /** `undefined` where the file does not tell. */
  readonly header: DicomHeader | undefined;
}

/** Headers read at once. */
const headersAtOnce = 16;

/** Reads the headers of the instances of a view that are not in the list, in order of id. */
export function headersWithoutSidecar(
  archive: Archive,
  view: Store,
  documented: InstanceIdList,
  { signal }: CallOptions = {},
): AsyncGenerator<InstanceWithoutSidecar> {
  return mapInOrder(withoutDocument(view, documented, { signal }), headersAtOnce, async (instance) => {
    const { id, md5 } = instance;
    return { ...instance, header: await readArchivedHeader(archive.objects, id, md5, { signal }) };
  });
}

/** The instances that the sidecars of a moment list; reads them all. 24 bytes of memory for each. */
export async function sidecaredInstances(archive: Archive, options: MomentOptions): Promise<InstanceIdList> {
  const documented = new InstanceIdList();
  for await (const { document } of readStudiesAt(archive.objects, options)) {
    for (const series of document.series) for (const { id } of series.instances) documented.add(id);
  }
  return documented;
}

async function* withoutDocument(
  view: Store,
  documented: InstanceIdList,
  { signal }: CallOptions,
): AsyncGenerator<Omit<InstanceWithoutSidecar, 'header'>> {
  for await (const { id, held } of mergeJoin([view.inventory({ signal }), asInventory(documented)])) {
    const [inView = [], inSidecars = []] = held;
    const [entry] = inView;
    if (entry?.md5 !== undefined && inSidecars.length === 0) yield { id, md5: entry.md5, sizeBytes: entry.sizeBytes };
  }
}

/** The ids of a list as an inventory, so that they can be joined with one. */
export async function* asInventory(list: InstanceIdList): AsyncGenerator<InventoryEntry> {
  for (const id of list.sorted()) yield { id, md5: undefined, sizeBytes: undefined };
}
