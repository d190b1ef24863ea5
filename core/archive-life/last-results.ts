/**
 * How each command ended for the last time that writes to an archive or reads it back, and when a run or a watch on one
 * machine last compared everything: kept beside the archive in `state/last/`, where documents may be replaced.
 */
import * as z from 'zod';
import type { CallOptions } from '../call-options.ts';
import { isMirrorError } from '../errors.ts';
import { documentBytes, readDocument } from '../stores/archive/json-document.ts';
import { stateKey } from '../stores/archive/keys.ts';
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

/** Of two that end at the same time, one is kept. */
export function keepResult(objects: ObjectStorage, result: LastResult, options?: CallOptions): Promise<void> {
  return keep(objects, result.command, result, options);
}

/** What is kept; a damaged one counts as none. */
export async function lastResults(objects: ObjectStorage, options?: CallOptions): Promise<readonly LastResult[]> {
  const kept = await Promise.all(keptCommands.map((command) => read(objects, command, resultSchema, options)));
  return kept.filter((result) => result !== undefined);
}

const comparisonSchema = z.object({ at: z.iso.datetime() });

/** Keeps that a comparison ended now of which no destination missed a part. A scheduler keeps that with its progress. */
export function keepComparison(objects: ObjectStorage, at: Date, options?: CallOptions): Promise<void> {
  return keep(objects, 'comparison', { at: at.toISOString() }, options);
}

/** @returns when the last one ended; a damaged document counts as none */
export async function lastComparison(objects: ObjectStorage, options?: CallOptions): Promise<string | undefined> {
  return (await read(objects, 'comparison', comparisonSchema, options))?.at;
}

function keyOf(name: string): string {
  return stateKey(`last/${name}`);
}

async function keep(objects: ObjectStorage, name: string, value: unknown, options?: CallOptions): Promise<void> {
  const key = keyOf(name);
  const before = await objects.head(key, options);
  await objects.replaceIf(key, documentBytes(value), before?.etag ?? null, options);
}

async function read<T>(
  objects: ObjectStorage,
  name: string,
  schema: z.ZodType<T>,
  options?: CallOptions,
): Promise<T | undefined> {
  try {
    return (await readDocument(objects, keyOf(name), schema, options))?.value;
  } catch (error) {
    if (isMirrorError(error, 'archive-format', 'answer-malformed')) return undefined;
    throw error;
  }
}
