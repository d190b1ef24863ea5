/**
 * What stands in a record of an instance's history: when it was made, by whom, and for people the same again that its key
 * says. Only who asks for the past reads it; what counts now, the key says (`history.ts`).
 */
import * as z from 'zod';
import type { CallOptions } from '../../call-options.ts';
import { MirrorError } from '../../errors.ts';
import type { DatedRecord } from './history.ts';
import { documentBytes, parseDocument, readSmallObject, tooLarge } from './json-document.ts';
import { type HistoryRecord, historyKey } from './keys.ts';
import type { ObjectStorage } from './object-storage.ts';

/** Who writes to an archive. */
export type ArchiveWriter = 'run' | 'scheduler' | 'transfer' | 'repair' | 'import' | 'inbox';

/** Where a record comes from; `object`: its time is that of the object of a first version. */
export type RecordOrigin = 'source' | 'import' | 'object';

/** Many are read at once: a larger object is none of ours. */
const longestRecordBytes = 64 * 1024;

/** Only the time is in the body alone. What else is in there may not contradict the key. */
const recordSchema = z.object({
  format: z.literal('orthanc-mirror-history').optional(),
  version: z.literal(1).optional(),
  at: z.iso.datetime().transform((text) => new Date(text)),
  id: z.string().optional(),
  number: z.number().optional(),
  what: z.string().optional(),
  md5: z.string().optional(),
});

const inTheKeyToo = ['id', 'number', 'what', 'md5'] as const;

export function recordBytes(
  record: DatedRecord,
  from: { readonly writer: ArchiveWriter; readonly origin: RecordOrigin },
) {
  return documentBytes({
    format: 'orthanc-mirror-history',
    version: 1,
    ...record,
    at: record.at.toISOString(),
    observedBy: from.writer,
    origin: from.origin,
  });
}

/**
 * Reads when a record was made. `undefined` if it is not there any more. Throws `history-damaged` if it is not what was
 * written under its key, and what the storage throws.
 */
export async function readRecord(
  objects: ObjectStorage,
  record: HistoryRecord,
  options: CallOptions = {},
): Promise<DatedRecord | undefined> {
  const key = historyKey(record);
  const found = await readSmallObject(objects, key, options, longestRecordBytes);
  if (found === undefined) return undefined;
  const parsed = found.bytes === undefined ? tooLarge(longestRecordBytes) : parseDocument(found.bytes, recordSchema);
  if ('problem' in parsed) throw damaged(objects.name, key, parsed.problem, parsed.cause);
  const { value } = parsed;
  const said: Partial<Record<(typeof inTheKeyToo)[number], unknown>> = record;
  const wrong = inTheKeyToo.find((field) => value[field] !== undefined && value[field] !== said[field]);
  if (wrong !== undefined) throw damaged(objects.name, key, `"${wrong}" contradicts its key`);
  return { ...record, at: value.at };
}

function damaged(storage: string, key: string, problem: string, cause?: unknown): MirrorError {
  const hint = 'what counts now is not affected; for moments of the past put back an earlier version of the object';
  return new MirrorError('history-damaged', `${storage}: ${key} is damaged, ${problem}; ${hint}`, { cause });
}
