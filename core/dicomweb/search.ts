/** Searching for studies, series and instances (QIDO-RS; PS3.18, 10.6). */

import { elementJson } from '../dicom/dicom-json.ts';
import { tagText } from '../dicom/dictionary.ts';
import type { JsonDataSet, JsonElement } from '../dicom/json-model.ts';
import type { ArchiveReader } from '../reader/archive-reader.ts';
import { listedTags } from '../reader/listed-tags.ts';
import type { StudyInstance } from '../reader/study-content.ts';
import { element, type SearchLevel, toldTags } from './attributes.ts';
import { type Candidate, candidates, matchesKnown, type SearchScope } from './candidates.ts';
import type { SearchQuery } from './search-query.ts';

/** Finds what matches, in a stable order. `baseUrl` is the address of the DICOMweb service, for the addresses of matches. */
export async function* search(
  reader: ArchiveReader,
  level: SearchLevel,
  scope: SearchScope,
  query: SearchQuery,
  baseUrl: string,
): AsyncGenerator<JsonDataSet> {
  let toSkip = query.offset;
  let left = query.limit ?? Number.POSITIVE_INFINITY;
  for await (const candidate of candidates(reader, level, scope, query)) {
    if (left === 0) return;
    if (!(await isMatch(reader, candidate, query))) continue;
    if (toSkip > 0) {
      toSkip -= 1;
      continue;
    }
    left -= 1;
    yield answerOf(await attributesOf(reader, candidate, level, query), candidate, baseUrl);
  }
}

/** What is asked of a study or series that is an attribute of what it consists of holds if it holds of any part. */
async function isMatch(reader: ArchiveReader, candidate: Candidate, { attributes }: SearchQuery): Promise<boolean> {
  const known = attributes.filter((query) => candidate.tells.has(query.tag));
  if (!matchesKnown(known, candidate.known)) return false;
  const others = attributes.filter((query) => !candidate.tells.has(query.tag) && query.value !== '');
  if (others.length === 0) return true;
  const instances = await candidate.instances();
  const [listed, unlisted] = [
    others.filter((query) => listedTags.has(query.tag)),
    others.filter((query) => !listedTags.has(query.tag)),
  ];
  const found = instances.find(({ tags }) => matchesKnown(listed, tags.tags));
  if (found === undefined || unlisted.length === 0) return found !== undefined;
  return matchesKnown(unlisted, await headerElements(reader, found, new Set(unlisted.map((query) => query.tag))));
}

async function attributesOf(
  reader: ArchiveReader,
  candidate: Candidate,
  level: SearchLevel,
  { attributes, include }: SearchQuery,
): Promise<JsonDataSet> {
  const asked = new Set(attributes.map((query) => query.tag));
  for (const one of include === 'all' ? listedTags : include) asked.add(one);
  const missing = [...asked].filter((one) => !candidate.tells.has(one));
  const [first] = missing.length === 0 ? [] : await candidate.instances();
  const read = first === undefined ? {} : await headerElements(reader, first, new Set(missing));
  const told = Object.entries(candidate.known).filter(([text]) => {
    const number = Number.parseInt(text, 16);
    return asked.has(number) || toldTags[level].has(number);
  });
  return { ...Object.fromEntries(told), ...read };
}

/** Reads attributes from the header of an instance. */
async function headerElements(
  reader: ArchiveReader,
  instance: StudyInstance,
  tags: ReadonlySet<number>,
): Promise<JsonDataSet> {
  const { dataSet, start } = await reader.header(instance);
  const found = [...tags].map(
    (one) => [tagText(one), elementJson(dataSet, one, { bigEndian: start.encoding.bigEndian })] as const,
  );
  return Object.fromEntries(found.filter((entry): entry is readonly [string, JsonElement] => entry[1] !== undefined));
}

/** In the order of their tags, with what every match has. */
function answerOf(attributes: JsonDataSet, candidate: Candidate, baseUrl: string): JsonDataSet {
  const all = {
    ...attributes,
    ...Object.fromEntries([
      element('SpecificCharacterSet', 'ISO_IR 192'),
      element('RetrieveURL', `${baseUrl}/studies/${candidate.path}`),
    ]),
  };
  return Object.fromEntries(Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1)));
}
