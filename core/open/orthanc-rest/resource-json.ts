/** Resources in the JSON of Orthanc's REST interface. */
import type { OrthancId, ResourceLevel } from '../../identifiers.ts';
import { mainTags } from '../reader/listed-tags.ts';
import type { StudyContent, StudyInstance } from '../reader/study-content.ts';
import { textOf } from '../reader/tag-text.ts';
import { WebError } from '../web/message.ts';
import { attachmentsOf, contentOf, fileUuidOf, metadataTextsOf } from './attached.ts';
import { instancesOf, type Resource } from './resource.ts';

/** What a client may ask of a resource (`response-content`, `ResponseContent`; Orthanc 1.12.5). */
export const responseParts = [
  'MainDicomTags',
  'Metadata',
  'Children',
  'Parent',
  'Labels',
  'Status',
  'IsStable',
  'IsProtected',
  'Attachments',
] as const;
export type ResponsePart = (typeof responseParts)[number];

/** What Orthanc tells where nothing is asked for. */
export const usualParts: ReadonlySet<ResponsePart> = new Set([
  'MainDicomTags',
  'Children',
  'Parent',
  'Labels',
  'Status',
  'IsStable',
  'IsProtected',
]);

const typeOf = { patients: 'Patient', studies: 'Study', series: 'Series', instances: 'Instance' } as const;

/** Reads a list of parts. Throws {@link WebError} 400 for one that Orthanc does not know. */
export function parseParts(names: readonly string[]): ReadonlySet<ResponsePart> {
  const parts = names
    .filter((name) => name !== '' && name !== 'RequestedTags')
    .map((name) => {
      const part = responseParts.find((known) => known === name);
      if (part === undefined) throw new WebError(400, `response-content is made of ${responseParts.join(';')}`);
      return part;
    });
  return new Set(parts);
}

/** A resource with the parts that are asked for. */
export function resourceJson(
  resource: Resource,
  parts: ReadonlySet<ResponsePart> = usualParts,
): Record<string, unknown> {
  return {
    ID: resource.id,
    Type: typeOf[resource.level],
    ...(parts.has('Children') && childrenOf(resource)),
    ...(parts.has('Parent') && parentOf(resource)),
    ...(parts.has('MainDicomTags') && tagsOf(resource)),
    ...(parts.has('Labels') && { Labels: contentOf(resource).labels }),
    ...(parts.has('Metadata') && { Metadata: metadataTextsOf(resource) }),
    ...(parts.has('Attachments') && { Attachments: attachmentsOf(resource) }),
    ...(parts.has('IsStable') &&
      resource.level !== 'instances' && { IsStable: true, LastUpdate: lastUpdateOf(resource) }),
    ...(parts.has('Status') && resource.level === 'series' && { Status: 'Unknown', ExpectedNumberOfInstances: null }),
    ...(parts.has('IsProtected') &&
      resource.level === 'patients' && { IsProtected: resource.sidecar?.protected ?? false }),
    ...(resource.level === 'instances' && fileOf(resource.instance)),
  };
}

function fileOf(instance: StudyInstance) {
  return { FileSize: instance.sizeBytes, FileUuid: fileUuidOf(instance), IndexInSeries: null };
}

function lastUpdateOf(resource: Resource): string {
  return metadataTextsOf(resource).LastUpdate ?? '';
}

/** The ids of what a resource consists of. */
function childrenOf(resource: Resource): Record<string, readonly OrthancId[]> {
  switch (resource.level) {
    case 'patients':
      return { Studies: resource.studies.map(({ id }) => id).toSorted() };
    case 'studies':
      return { Series: seriesOf(resource.study) };
    case 'series':
      return { Instances: instancesOf(resource).map(({ id }) => id) };
    case 'instances':
      return {};
  }
}

/** The series of a study, by number. */
export function seriesOf({ instances }: StudyContent): readonly OrthancId[] {
  return [...new Set(instances.map(({ series }) => series))];
}

function parentOf(resource: Resource): Record<string, OrthancId> {
  switch (resource.level) {
    case 'patients':
      return {};
    case 'studies':
      return { ParentPatient: resource.study.patient };
    case 'series':
      return { ParentStudy: resource.study.id };
    case 'instances':
      return { ParentSeries: resource.instance.series };
  }
}

function tagsOf(resource: Resource): Record<string, unknown> {
  const MainDicomTags = mainTagsOf(resource, resource.level);
  return resource.level === 'studies'
    ? { MainDicomTags, PatientMainDicomTags: mainTagsOf(resource, 'patients') }
    : { MainDicomTags };
}

/** The main tags of a level: as the server listed them, and beyond that from a file. */
function mainTagsOf(resource: Resource, level: ResourceLevel): Record<string, string> {
  const [first] = instancesOf(resource);
  const listed = listedTagsOf(resource, level);
  const found = mainTags[level].map(
    (name) => [name, listed[name] ?? (first && textOf(first.tags.tags, name))] as const,
  );
  return Object.fromEntries(
    found.filter((entry): entry is readonly [(typeof entry)[0], string] => entry[1] !== undefined),
  );
}

function listedTagsOf(resource: Resource, level: ResourceLevel): Readonly<Record<string, string>> {
  if (resource.level === 'patients') return resource.sidecar?.tags ?? {};
  const document = resource.study.sidecar?.document;
  if (level === 'patients') return document?.patientTags ?? {};
  if (level === 'studies') return document?.tags ?? {};
  const series = resource.level === 'instances' ? resource.instance.series : resource.id;
  return level === 'series' ? (document?.series.find(({ id }) => id === series)?.tags ?? {}) : {};
}
