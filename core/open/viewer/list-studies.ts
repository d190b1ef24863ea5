/** The list of studies as the page shows it: searched as one types. */
import * as z from 'zod';
import type { StudyEntry } from '../../archive-life/catalogue/study-entry.ts';
import type { ArchiveReader } from '../reader/archive-reader.ts';
import { WebError } from '../web/message.ts';

const day = z.string().regex(/^\d{8}$/);

/** Longer than this nobody looks at an empty list. */
const mostWaitMs = 500;

const querySchema = z.object({
  /** Words that are found in name, id, accession number, description, labels, UIDs. */
  search: z.string().max(200).default(''),
  modality: z.string().max(16).default(''),
  from: z.union([day, z.literal('')]).default(''),
  to: z.union([day, z.literal('')]).default(''),
  offset: z.coerce.number().int().min(0).max(10_000_000).default(0),
  limit: z.coerce.number().int().min(1).max(500).default(50),
});

/** A page of the list. */
export interface StudyPage {
  readonly studies: readonly StudyEntry[];
  /** How many match. */
  readonly total: number;
}

/** Finds a page among the studies that are known so far. Throws {@link WebError} 400. */
export async function listStudies(reader: ArchiveReader, query: URLSearchParams): Promise<StudyPage> {
  const parsed = querySchema.safeParse(Object.fromEntries(query));
  if (!parsed.success) throw new WebError(400, 'the list is asked for by search, modality, from, to, offset, limit');
  const { search, modality, from, to, offset, limit } = parsed.data;
  const words = plain(search)
    .split(/\s+/)
    .filter((word) => word !== '');
  const found = (await reader.studiesSoFar(mostWaitMs)).filter(
    (entry) =>
      (modality === '' || entry.modalities.includes(modality)) &&
      (from === '' || (entry.studyDate ?? '') >= from) &&
      (to === '' || (entry.studyDate ?? '99999999').slice(0, 8) <= to) &&
      (words.length === 0 || hasWords(entry, words)),
  );
  return { studies: found.slice(offset, offset + limit), total: found.length };
}

/** Numbers stand in every UID: of these only the beginning counts. */
function hasWords(entry: StudyEntry, words: readonly string[]): boolean {
  const { patientName, patientId, accessionNumber, description, studyInstanceUid = '', labels, study } = entry;
  const text = plain([patientName, patientId, accessionNumber, description, ...labels].join(' '));
  return words.every((word) => text.includes(word) || studyInstanceUid.startsWith(word) || study.startsWith(word));
}

/** Without regard to case and accents; `^` separates parts of a name. */
function plain(text: string): string {
  return text.normalize('NFD').replace(/\p{M}/gu, '').replaceAll('^', ' ').toLowerCase();
}
