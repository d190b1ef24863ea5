/** `/tools/find` and `/tools/lookup`. */
import * as z from 'zod';
import { dictionaryVr, tagNamed } from '../../dicom/dictionary.ts';
import { isOrthancId, type OrthancId, type ResourceLevel } from '../../identifiers.ts';
import type { ArchiveReader } from '../reader/archive-reader.ts';
import type { AttributeQuery } from '../search/attribute-match.ts';
import { type Candidate, candidates } from '../search/candidates.ts';
import { isMatch } from '../search/is-match.ts';
import { WebError, type WebRequest } from '../web/message.ts';
import { contentOf } from './attached.ts';
import { patientOf, type Resource } from './resource.ts';
import { parseParts, type ResponsePart, resourceJson, usualParts } from './resource-json.ts';

const orthancId = z.custom<OrthancId>(isOrthancId);

const findSchema = z.looseObject({
  Level: z.enum(['Patient', 'Study', 'Series', 'Instance']),
  Query: z.record(z.string(), z.string()).default({}),
  Expand: z.boolean().default(false),
  Since: z.int().nonnegative().default(0),
  Limit: z.int().nonnegative().default(0),
  Labels: z.array(z.string()).default([]),
  LabelsConstraint: z.enum(['All', 'Any', 'None']).default('All'),
  ParentPatient: orthancId.optional(),
  ParentStudy: orthancId.optional(),
  ParentSeries: orthancId.optional(),
  ResponseContent: z.array(z.string()).optional(),
  OrderBy: z.array(z.unknown()).optional(),
  MetadataQuery: z.record(z.string(), z.string()).optional(),
});
export type Find = z.infer<typeof findSchema>;

const levels = { Patient: 'patients', Study: 'studies', Series: 'series', Instance: 'instances' } as const;
const mostAttributes = 64;

/** Reads the body of a question. Throws {@link WebError} 400, 413. */
export async function readQuestion<T>(request: WebRequest, schema: z.ZodType<T>): Promise<T> {
  const body = await request.readBody();
  try {
    return schema.parse(JSON.parse(body.toString('utf8')));
  } catch (error) {
    const fields = error instanceof z.ZodError ? error.issues.map(({ path }) => path.join('.') || 'the whole') : [];
    throw new WebError(
      400,
      `the question is no JSON that is understood here${fields.length > 0 ? `: ${fields.join(', ')}` : ''}`,
    );
  }
}

export const readFind = (request: WebRequest) => readQuestion(request, findSchema);

/** The matches, in JSON or as ids. Throws {@link WebError} 400 for what is not understood: it is not passed over. */
export function findResources(reader: ArchiveReader, find: Find): AsyncGenerator<unknown> {
  if (find.OrderBy !== undefined || find.MetadataQuery !== undefined) {
    throw new WebError(400, 'OrderBy and MetadataQuery are not understood here');
  }
  const attributes = attributesOf(find);
  const parts = find.ResponseContent === undefined ? usualParts : parseParts(find.ResponseContent);
  const isExpanded = find.Expand || find.ResponseContent !== undefined;
  return page(matching(reader, levels[find.Level], find, attributes), find, isExpanded ? parts : undefined);
}

async function* page(
  found: AsyncIterable<Resource>,
  { Since, Limit }: Find,
  parts: ReadonlySet<ResponsePart> | undefined,
): AsyncGenerator<unknown> {
  let index = 0;
  for await (const resource of found) {
    index += 1;
    if (index <= Since) continue;
    yield parts === undefined ? resource.id : resourceJson(resource, parts);
    if (Limit > 0 && index === Since + Limit) return;
  }
}

function attributesOf({ Query }: Find): readonly AttributeQuery[] {
  const entries = Object.entries(Query);
  if (entries.length > mostAttributes) throw new WebError(400, `a search has at most ${mostAttributes} attributes`);
  return entries.map(([name, value]) => {
    const tag = tagNamed(name);
    if (tag === undefined) throw new WebError(400, 'the Query names a tag that is not known');
    return { tag, vr: dictionaryVr(tag), wanted: value.split('\\').filter((one) => one !== ''), fuzzy: false };
  });
}

async function* matching(
  reader: ArchiveReader,
  level: ResourceLevel,
  find: Find,
  attributes: readonly AttributeQuery[],
): AsyncGenerator<Resource> {
  const seen = new Set<OrthancId>();
  for await (const candidate of candidatesIn(reader, level === 'patients' ? 'studies' : level, find, attributes)) {
    if (!(await isMatch(reader, candidate, attributes))) continue;
    const resource = await resourceOf(reader, level, candidate);
    if (resource === undefined || seen.has(resource.id) || !hasLabels(resource, find)) continue;
    if (level === 'patients') seen.add(resource.id);
    yield resource;
  }
}

async function* candidatesIn(
  reader: ArchiveReader,
  level: 'studies' | 'series' | 'instances',
  { ParentPatient, ParentStudy, ParentSeries }: Find,
  attributes: readonly AttributeQuery[],
): AsyncGenerator<Candidate> {
  const studyOfSeries = ParentSeries === undefined ? undefined : await reader.studyOfSeries(ParentSeries);
  const only = ParentSeries === undefined ? ParentStudy : (studyOfSeries?.id ?? ParentSeries);
  for await (const candidate of candidates(reader, level, { id: only, patient: ParentPatient }, attributes)) {
    const series = candidate.instance?.series ?? candidate.series;
    if (ParentSeries === undefined || series === ParentSeries) yield candidate;
  }
}

async function resourceOf(
  reader: ArchiveReader,
  level: ResourceLevel,
  { study: id, series, instance }: Candidate,
): Promise<Resource | undefined> {
  const study = await reader.study(id);
  if (study === undefined || study.instances.length === 0) return undefined;
  if (level === 'patients') return patientOf(reader, study.patient);
  if (level === 'series' && series !== undefined) return { level, id: series, study };
  if (level === 'instances' && instance !== undefined) return { level, id: instance.id, study, instance };
  return { level: 'studies', id, study };
}

function hasLabels(resource: Resource, { Labels, LabelsConstraint }: Find): boolean {
  if (Labels.length === 0) return true;
  const { labels } = contentOf(resource);
  if (LabelsConstraint === 'All') return Labels.every((label) => labels.includes(label));
  const some = Labels.some((label) => labels.includes(label));
  return LabelsConstraint === 'Any' ? some : !some;
}

/** `/tools/lookup`: the resources of which a text is PatientID, AccessionNumber or UID. */
export async function* lookUp(reader: ArchiveReader, text: string): AsyncGenerator<unknown> {
  const keywords = {
    patients: ['PatientID'],
    studies: ['StudyInstanceUID', 'AccessionNumber'],
    series: ['SeriesInstanceUID'],
    instances: ['SOPInstanceUID'],
  };
  const types = { patients: 'Patient', studies: 'Study', series: 'Series', instances: 'Instance' };
  const find = findSchema.parse({ Level: 'Study' });
  for (const level of ['patients', 'studies', 'series', 'instances'] as const) {
    for (const keyword of keywords[level]) {
      const tag = tagNamed(keyword) ?? 0;
      // What the archive knows by a list is found at once; a UID of a series or instance takes a look at every study.
      const attribute = { tag, vr: dictionaryVr(tag), wanted: [text], fuzzy: false };
      for await (const { id } of matching(reader, level, find, [attribute])) {
        yield { ID: id, Path: `/${level}/${id}`, Type: types[level] };
      }
    }
  }
}
