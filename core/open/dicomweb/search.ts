/** Searching for studies, series and instances (QIDO-RS; PS3.18, 10.6). */

import type { JsonDataSet } from '../../dicom/json-model.ts';
import type { ArchiveReader } from '../reader/archive-reader.ts';
import { listedTags } from '../reader/listed-tags.ts';
import { element, type SearchLevel, toldTags } from '../search/attributes.ts';
import { type Candidate, candidates, type SearchScope } from '../search/candidates.ts';
import { headerElements, isMatch } from '../search/is-match.ts';
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
  for await (const candidate of candidates(reader, level, scope, query.attributes)) {
    if (left === 0) return;
    if (!(await isMatch(reader, candidate, query.attributes))) continue;
    if (toSkip > 0) {
      toSkip -= 1;
      continue;
    }
    left -= 1;
    yield answerOf(await attributesOf(reader, candidate, level, query), candidate, baseUrl);
  }
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
