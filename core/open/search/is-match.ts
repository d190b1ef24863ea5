/** Whether something in an archive is what a search asks for; reads a header only where nothing else tells. */
import { elementJson } from '../../dicom/dicom-json.ts';
import { tagText } from '../../dicom/dictionary.ts';
import type { JsonDataSet, JsonElement } from '../../dicom/json-model.ts';
import type { ArchiveReader } from '../reader/archive-reader.ts';
import { listedTags } from '../reader/listed-tags.ts';
import type { StudyInstance } from '../reader/study-content.ts';
import { type AttributeQuery, asksAnything } from './attribute-match.ts';
import { type Candidate, matchesKnown } from './candidates.ts';

/** What is asked of a study or series that is an attribute of what it consists of holds if it holds of any part. */
export async function isMatch(
  reader: ArchiveReader,
  candidate: Candidate,
  attributes: readonly AttributeQuery[],
): Promise<boolean> {
  const known = attributes.filter((query) => candidate.tells.has(query.tag));
  if (!matchesKnown(known, candidate.known)) return false;
  const others = attributes.filter((query) => !candidate.tells.has(query.tag) && !asksAnything(query));
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

/** Reads attributes from the header of an instance. */
export async function headerElements(
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
