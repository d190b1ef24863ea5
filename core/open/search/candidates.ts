/** What a search looks at: each study, series or instance with the attributes that are known of it without reading a file. */
import type { StudyEntry } from '../../archive-life/catalogue/study-entry.ts';
import { tagText } from '../../dicom/dictionary.ts';
import type { JsonDataSet, JsonElement } from '../../dicom/json-model.ts';
import type { OrthancId } from '../../identifiers.ts';
import type { ArchiveReader } from '../reader/archive-reader.ts';
import { listedTags } from '../reader/listed-tags.ts';
import type { StudyContent, StudyInstance } from '../reader/study-content.ts';
import { valueText } from '../reader/tag-text.ts';
import { type AttributeQuery, matches } from './attribute-match.ts';
import { computedTags, element, elementOfText, type SearchLevel, tag } from './attributes.ts';

/** Which part of the archive is searched: everything, or what all that is given names. */
export interface SearchScope {
  /** UIDs. */
  readonly study?: string | undefined;
  readonly series?: string | undefined;
  /** Orthanc ids of a study and of a patient. */
  readonly id?: OrthancId | undefined;
  readonly patient?: OrthancId | undefined;
}

/** Something that may match. */
export interface Candidate {
  /** Attributes that are known without reading a file. */
  readonly known: JsonDataSet;
  /** Which attributes `known` tells: what is asked beyond them is read from a header. */
  readonly tells: ReadonlySet<number>;
  /** What it consists of. */
  readonly instances: () => Promise<readonly StudyInstance[]>;
  /** The path of its address below `/studies`. */
  readonly path: string;
  /** Orthanc's ids of the study, and of the series or instance that it is. */
  readonly study: OrthancId;
  readonly series?: OrthancId;
  readonly instance?: StudyInstance;
}

/** Everything of a level in a scope, in a stable order. */
export async function* candidates(
  reader: ArchiveReader,
  level: SearchLevel,
  scope: SearchScope,
  attributes: readonly AttributeQuery[],
): AsyncGenerator<Candidate> {
  if (level === 'studies') {
    for (const entry of await entriesIn(reader, scope)) yield studyCandidate(reader, entry);
    return;
  }
  for await (const content of contents(reader, scope, attributes)) {
    const inScope = content.instances.filter(
      ({ tags }) => scope.series === undefined || uidOf(tags.tags, 'SeriesInstanceUID') === scope.series,
    );
    const known = knownOfStudy(content);
    for (const instances of Map.groupBy(inScope, ({ series }) => series).values()) {
      if (level === 'series') yield* seriesCandidate(known, instances);
      else for (const instance of instances) yield instanceCandidate(known, instance);
    }
  }
}

/** Whether known attributes are what a query asks for. */
export function matchesKnown(queries: readonly AttributeQuery[], known: JsonDataSet): boolean {
  return queries.every((query) => matches(query, textsOf(known[tagText(query.tag)])));
}

/** The values of an element as texts. */
function textsOf(found: JsonElement | undefined): readonly string[] {
  return found?.Value === undefined ? [] : valueText(found).split('\\');
}

async function entriesIn(reader: ArchiveReader, { id, patient }: SearchScope): Promise<readonly StudyEntry[]> {
  if (id !== undefined) {
    const entry = await reader.entry(id);
    return entry === undefined ? [] : [entry];
  }
  const all = await reader.studies();
  return patient === undefined ? all : all.filter((entry) => entry.patient === patient);
}

/** The studies in which to look: what of the query is of the study itself leaves out all others at once. */
async function* contents(
  reader: ArchiveReader,
  scope: SearchScope,
  attributes: readonly AttributeQuery[],
): AsyncGenerator<StudyContent> {
  if (scope.study !== undefined) {
    yield* await reader.studiesOf(scope.study);
    return;
  }
  for (const entry of await entriesIn(reader, scope)) {
    const { known, tells } = studyCandidate(reader, entry);
    const ofStudy = attributes.filter((query) => tells.has(query.tag));
    const content = matchesKnown(ofStudy, known) ? await reader.study(entry.study) : undefined;
    if (content !== undefined) yield content;
  }
}

/** What a list of studies tells. */
const entryTags: ReadonlySet<number> = new Set(
  [
    'StudyDate',
    'StudyTime',
    'AccessionNumber',
    'ReferringPhysicianName',
    'PatientName',
    'PatientID',
    'PatientBirthDate',
    'PatientSex',
    'StudyInstanceUID',
    'StudyID',
    'StudyDescription',
    'InstitutionName',
    'ModalitiesInStudy',
    'NumberOfStudyRelatedSeries',
    'NumberOfStudyRelatedInstances',
  ].map(tag),
);

function studyCandidate(reader: ArchiveReader, entry: StudyEntry): Candidate {
  return {
    known: knownOfEntry(entry),
    tells: entryTags,
    instances: async () => (await reader.study(entry.study))?.instances ?? [],
    path: entry.studyInstanceUid ?? '',
    study: entry.study,
  };
}

function knownOfEntry(entry: StudyEntry): JsonDataSet {
  const texts = {
    StudyDate: entry.studyDate,
    AccessionNumber: entry.accessionNumber,
    PatientName: entry.patientName,
    PatientID: entry.patientId,
    StudyInstanceUID: entry.studyInstanceUid,
    StudyDescription: entry.description,
    ...entry.otherTags,
  };
  return Object.fromEntries([
    ...Object.entries(texts).flatMap(([keyword, text]) =>
      text === undefined || text === '' ? [] : [elementOfText(keyword, text)],
    ),
    element('ModalitiesInStudy', ...entry.modalities),
    element('NumberOfStudyRelatedSeries', entry.series),
    element('NumberOfStudyRelatedInstances', entry.instances),
  ]);
}

/** What is of the study itself is as its server listed it: the files of a study may say different things. */
function knownOfStudy({ instances, sidecar }: StudyContent): JsonDataSet {
  const modalities = new Set(instances.flatMap(({ tags }) => textsOf(tags.tags[tagText(tag('Modality'))])));
  const listed = { ...sidecar?.document.patientTags, ...sidecar?.document.tags };
  return Object.fromEntries([
    ...Object.entries(listed).map(([keyword, text]) => elementOfText(keyword, text)),
    element('ModalitiesInStudy', ...[...modalities].toSorted()),
    element('NumberOfStudyRelatedSeries', new Set(instances.map(({ series }) => series)).size),
    element('NumberOfStudyRelatedInstances', instances.length),
  ]);
}

const instanceTells: ReadonlySet<number> = new Set([...listedTags, ...computedTags]);

function* seriesCandidate(study: JsonDataSet, instances: readonly StudyInstance[]): Generator<Candidate> {
  const [first] = instances;
  if (first === undefined) return;
  const count = element('NumberOfSeriesRelatedInstances', instances.length);
  yield {
    known: { ...first.tags.tags, ...study, ...Object.fromEntries([count]) },
    tells: instanceTells,
    instances: async () => instances,
    path: pathOf(first, 'series'),
    study: first.study,
    series: first.series,
  };
}

function instanceCandidate(study: JsonDataSet, instance: StudyInstance): Candidate {
  return {
    known: { ...instance.tags.tags, ...study, ...Object.fromEntries([element('InstanceAvailability', 'ONLINE')]) },
    tells: instanceTells,
    instances: async () => [instance],
    path: pathOf(instance, 'instances'),
    study: instance.study,
    instance,
  };
}

/** The path of a series or an instance below `/studies`. */
export function pathOf({ tags }: StudyInstance, level: 'series' | 'instances'): string {
  const series = `${uidOf(tags.tags, 'StudyInstanceUID')}/series/${uidOf(tags.tags, 'SeriesInstanceUID')}`;
  return level === 'series' ? series : `${series}/instances/${uidOf(tags.tags, 'SOPInstanceUID')}`;
}

/** @returns a UID of an instance; empty where its header does not tell it. */
export function uidOf(tags: JsonDataSet, keyword: 'StudyInstanceUID' | 'SeriesInstanceUID' | 'SOPInstanceUID'): string {
  const found = tags[tagText(tag(keyword))];
  return found === undefined ? '' : valueText(found);
}
