/** The last result of each command that writes to an archive or reads it back, kept beside it: `reports/last/`. */
import * as z from 'zod';
import type { CallOptions } from '../call-options.ts';
import { isMirrorError } from '../errors.ts';
import { documentBytes, readDocument } from '../stores/archive/json-document.ts';
import type { ObjectStorage } from '../stores/archive/object-storage.ts';

/** Commands whose results are kept. */
export const keptCommands = ['run', 'verify', 'import'] as const;

const resultSchema = z.object({
  command: z.enum(keptCommands),
  /** When it ended. */
  at: z.iso.datetime(),
  version: z.string().max(100),
  exitCode: z.int(),
});
export type LastResult = z.output<typeof resultSchema>;

function keyOf(command: LastResult['command']): string {
  return `reports/last/${command}.json`;
}

/** Of two that end at the same time, one is kept. */
export async function keepResult(objects: ObjectStorage, result: LastResult, options: CallOptions = {}): Promise<void> {
  const key = keyOf(result.command);
  const before = await objects.head(key, options);
  await objects.replaceIf(key, documentBytes(result), before?.etag ?? null, options);
}

/** What is kept; a damaged one counts as none. */
export async function lastResults(objects: ObjectStorage, options: CallOptions = {}): Promise<readonly LastResult[]> {
  const read = keptCommands.map(async (command) => {
    const document = await readDocument(objects, keyOf(command), resultSchema, options).catch((error: unknown) => {
      if (isMirrorError(error, 'archive-format', 'answer-malformed')) return undefined;
      throw error;
    });
    return document?.value;
  });
  return (await Promise.all(read)).filter((result) => result !== undefined);
}
