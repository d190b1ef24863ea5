/** From what a user asks for to the instances of an archive. */
import { readStudiesAt } from '../catalogue/list-documents.ts';
import { readArchivedHeader } from '../catalogue/read-header.ts';
import { mapInOrder } from '../compare/map-in-order.ts';
import { mergeJoin } from '../compare/merge-join.ts';
import type { InstanceId, Md5, OrthancId } from '../identifiers.ts';
import type { Archive } from '../stores/archive/archive.ts';
import { InstanceIdList } from '../stores/orthanc/instance-id-list.ts';
import type { CallOptions, InventoryEntry } from '../stores/store.ts';
import { ArchiveView, type ViewOptions } from './archive-view.ts';
import { identityIn, identityOfHeader, isSelected, type Selection } from './selection.ts';

export interface SelectOptions extends CallOptions, Pick<ViewOptions, 'at' | 'includeRemoved'> {}

export interface Selected {
  readonly instances: ReadonlySet<InstanceId>;
  /** Studies that have a document and at least one selected series. */
  readonly studies: ReadonlySet<OrthancId>;
}

/** Headers read at once. */
const headersAtOnce = 16;

/**
 * Finds the selected instances: those that study documents name by these; of the others, which no document lists (yet),
 * the beginning of each file is read. An id tells nothing of its study, so every document is read: about as many
 * requests as there are studies. Keeps 24 bytes per instance in memory, and the ids of those selected.
 */
export async function selectInstances(
  archive: Archive,
  selection: Selection,
  options: SelectOptions = {},
): Promise<Selected> {
  const { at, includeRemoved, signal } = options;
  const instances = new Set<InstanceId>();
  const studies = new Set<OrthancId>();
  const documented = new InstanceIdList();
  for await (const { document } of readStudiesAt(archive.objects, { at, signal })) {
    for (const series of document.series) {
      for (const { id } of series.instances) documented.add(id);
      if (!isSelected(identityIn(document, series), selection)) continue;
      studies.add(document.id);
      for (const { id } of series.instances) instances.add(id);
    }
  }
  const view = new ArchiveView(archive, { at, includeRemoved });
  const undocumented = withoutDocument(view, documented, options);
  const matching = mapInOrder(undocumented, headersAtOnce, async ({ id, md5 }) => {
    const header = await readArchivedHeader(archive.objects, id, md5, { signal });
    return header !== undefined && isSelected(identityOfHeader(header), selection) ? id : undefined;
  });
  for await (const id of matching) if (id !== undefined) instances.add(id);
  return { instances, studies };
}

/** The instances of a view that are not in the list. */
export async function* withoutDocument(
  view: ArchiveView,
  documented: InstanceIdList,
  { signal }: CallOptions = {},
): AsyncGenerator<{ readonly id: InstanceId; readonly md5: Md5 }> {
  for await (const { id, held } of mergeJoin([view.inventory({ signal }), asInventory(documented)])) {
    const [inView = [], inDocuments = []] = held;
    const md5 = inView[0]?.md5;
    if (md5 !== undefined && inDocuments.length === 0) yield { id, md5 };
  }
}

async function* asInventory(list: InstanceIdList): AsyncGenerator<InventoryEntry> {
  for (const id of list.sorted()) yield { id, md5: undefined, sizeBytes: undefined };
}
