/**
 * Listing a study on servers without extended find: `/tools/bulk-content` tells labels and metadata of a level in one
 * request (1.9.4; before, one request per resource), but nothing tells the attachments of many resources at once.
 */
import * as z from 'zod';
import type { CallOptions } from '../call-options.ts';
import type { Md5, OrthancId, ResourceLevel } from '../identifiers.ts';
import { recordOf } from '../json.ts';
import { md5In, sizeSchema } from '../stores/orthanc/dicom-attachment.ts';
import type { OrthancClient } from '../stores/orthanc/http-client.ts';
import { inParallel } from '../streams/in-parallel.ts';
import { listAttachments } from './list-attachments.ts';
import {
  type ListedAttachment,
  type ListedResource,
  type ListedStudy,
  listedResourceSchema,
  listedResourcesSchema,
} from './listed-resource.ts';
import { type ReadOptions, readWidth, resourcePath } from './read-options.ts';
import type { StudySidecar } from './sidecar.ts';
import type { StudyServer } from './study-server.ts';

/** `ApiVersion` of 1.9.7, the first after 1.9.4 whose number is known for sure. */
const apiOfBulkContent = 15;

/** Lists a study with its series and instances. Throws `vanished` if the server does not hold it. */
export async function listStudyLegacy(server: StudyServer, id: OrthancId, options: ReadOptions): Promise<ListedStudy> {
  const study = await listOne(server, 'studies', id, options);
  const [series, instances, others] = await Promise.all([
    listLevel(server, id, 'series', options),
    listLevel(server, id, 'instances', options),
    hasOtherAttachments(server, 'studies', id, options),
  ]);
  const known = knownHashes(options.earlier);
  const seriesWithOthers = new Set(others ? await idsWithOthers(server, 'series', series, options) : []);
  return {
    // An attachment without bytes does not show in the statistics: the study itself is always asked.
    study: { ...study, Attachments: await listAttachments(server, 'studies', id, options) },
    series: await inParallel(series, readWidth, async (one) => ({
      ...one,
      Attachments: seriesWithOthers.has(one.ID) ? await listAttachments(server, 'series', one.ID, options) : [],
    })),
    instances: await inParallel(instances, readWidth, async (one) => ({
      ...one,
      Attachments: [
        ...(await dicomAttachment(server, one, known, options)),
        ...(one.ParentSeries !== undefined && seriesWithOthers.has(one.ParentSeries)
          ? await listAttachments(server, 'instances', one.ID, options)
          : []),
      ],
    })),
  };
}

/** Lists a resource with metadata, and labels where there are any. Throws `vanished` if the server does not hold it. */
export async function listOne(
  server: StudyServer,
  level: ResourceLevel,
  id: OrthancId,
  options: CallOptions,
): Promise<ListedResource> {
  const { signal } = options;
  const resource = await server.client.getJson(resourcePath(level, id), listedResourceSchema, { signal });
  return { ...resource, Metadata: await readMetadata(server, level, id, options) };
}

async function listLevel(
  server: StudyServer,
  study: OrthancId,
  level: 'series' | 'instances',
  options: CallOptions,
): Promise<readonly ListedResource[]> {
  const { signal } = options;
  if (server.capabilities.apiVersion >= apiOfBulkContent) {
    const query = { Resources: [study], Level: level === 'series' ? 'Series' : 'Instance', Metadata: true };
    return server.client.queryJson('/tools/bulk-content', query, listedResourcesSchema, { signal, long: true });
  }
  const path = `${resourcePath('studies', study)}/${level}?expand`;
  const resources = await server.client.getJson(path, listedResourcesSchema, { signal, long: true });
  return inParallel(resources, readWidth, async (resource) => ({
    ...resource,
    Metadata: await readMetadata(server, level, resource.ID, options),
  }));
}

function readMetadata(
  server: StudyServer,
  level: ResourceLevel,
  id: OrthancId,
  { signal }: CallOptions,
): Promise<Record<string, string>> {
  const path = `${resourcePath(level, id)}/metadata?expand`;
  return server.client.getJson(path, recordOf(z.string(), z.string()), { signal });
}

const statisticsSchema = z.looseObject({
  UncompressedSize: sizeSchema,
  DicomUncompressedSize: sizeSchema.optional(),
});

/** Whether anything below a resource, or itself, has attachments with bytes besides the DICOM files. */
async function hasOtherAttachments(
  server: StudyServer,
  level: ResourceLevel,
  id: OrthancId,
  { signal }: CallOptions,
): Promise<boolean> {
  const path = `${resourcePath(level, id)}/statistics`;
  const sizes = await server.client.getJson(path, statisticsSchema, { signal });
  return sizes.UncompressedSize !== sizes.DicomUncompressedSize;
}

async function idsWithOthers(
  server: StudyServer,
  level: ResourceLevel,
  resources: readonly ListedResource[],
  options: CallOptions,
): Promise<readonly OrthancId[]> {
  const found = await inParallel(resources, readWidth, async ({ ID }) =>
    (await hasOtherAttachments(server, level, ID, options)) ? [ID] : [],
  );
  return found.flat();
}

/** The entry of the DICOM file, with its hash from the earlier document where the file is still the same. */
async function dicomAttachment(
  { client }: StudyServer,
  { ID, FileSize, FileUuid }: ListedResource,
  known: ReadonlyMap<string, Md5 | null>,
  { instanceHashes, signal }: ReadOptions,
): Promise<readonly ListedAttachment[]> {
  if (FileSize === undefined || FileUuid === undefined) return [];
  const entry = { ContentType: 1, UncompressedSize: FileSize, Uuid: FileUuid };
  const md5 = instanceHashes === false ? null : (known.get(FileUuid) ?? (await hashOf(client, ID, signal)));
  return [{ ...entry, UncompressedMD5: md5 }];
}

/** Hash of each file by its name in the storage, which is new whenever the file is written again. */
function knownHashes(earlier: StudySidecar | undefined): ReadonlyMap<string, Md5 | null> {
  const instances = earlier?.series.flatMap((series) => series.instances) ?? [];
  return new Map(instances.flatMap(({ fileUuid, md5 }) => (fileUuid === null ? [] : [[fileUuid, md5]])));
}

async function hashOf(client: OrthancClient, id: OrthancId, signal: AbortSignal | undefined): Promise<Md5 | null> {
  const text = await client.findText(`${resourcePath('instances', id)}/attachments/dicom/md5`, { signal });
  return md5In(text) ?? null;
}
