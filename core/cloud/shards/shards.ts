/**
 * Work on everything in shards, for a first load or a verification of any size: a list of shards lies in the archive, and each
 * is worked on by an invocation of its own. What is done is what messages of the queue cause; what cannot be done at once
 * becomes such a message, and has the tries, pauses and dead letters of all others.
 */
import * as z from 'zod';
import type { CallOptions } from '../../call-options.ts';
import { isMirrorError, MirrorError } from '../../errors.ts';
import { isOrthancId, type OrthancId } from '../../identifiers.ts';
import { nameSchema } from '../../names.ts';
import { shardsKey } from '../../stores/archive/keys.ts';
import type { ObjectStorage } from '../../stores/archive/object-storage.ts';
import type { InventoryEntry } from '../../stores/store.ts';
import { inParallel } from '../../streams/in-parallel.ts';
import type { QueueMessage } from '../queue/message.ts';

/** `copy`: what destinations lack; `verify`: everything that the archive holds is read back. */
const ofWork = { mirror: nameSchema, work: z.enum(['copy', 'verify']) };

/** What begins the work: the list of shards is to be written. */
const planSchema = z.strictObject({
  plan: z.strictObject({
    ...ofWork,
    /** Name of the execution, as AWS gives it. */
    execution: z.string().regex(/^[\w-]{1,80}$/),
  }),
});

const studyShardSchema = z.strictObject({ study: z.custom<OrthancId>(isOrthancId) });
/** The n-th of t parts of all ids. */
const partShardSchema = z
  .strictObject({ n: z.int().min(1), t: z.int().min(1).max(10_000) })
  .refine(({ n, t }) => n <= t);
const shardSchema = z.union([studyShardSchema, partShardSchema]);
type Shard = z.output<typeof shardSchema>;

/** Some shards, as the state machine hands them over. */
const batchSchema = z.strictObject({
  BatchInput: z.strictObject(ofWork),
  Items: z.array(shardSchema).min(1).max(100),
});

export type ShardBatch = z.output<typeof batchSchema>;

const eventSchema = z.union([planSchema, batchSchema]);
export type ShardPlan = z.output<typeof planSchema>['plan'];

/** Throws `malformed-message` for what the state machine does not send. */
export function parseShardEvent(event: unknown): z.output<typeof eventSchema> {
  const result = eventSchema.safeParse(event);
  if (result.success) return result.data;
  throw new MirrorError(
    'malformed-message',
    'The event is not one of the state machine; begin it with {"mirror": "name", "work": "copy" | "verify"}.',
  );
}

/** What the state machine goes on with. */
export interface PlannedShards {
  /** Keys in the bucket: the list of shards, and what the results begin with. */
  readonly manifest: string;
  readonly results: string;
  readonly shards: number;
}

/** Shards of a verification: at 20 million instances of half a MiB one has 10 GB, which are read in a few minutes. */
const parts = 1000;

/**
 * Writes the list of shards beside the archive; the same again leaves the first one.
 * @param prefix what keys of the archive begin with in the bucket
 */
export async function planShards(
  { work, execution }: ShardPlan,
  {
    studies,
    objects,
    prefix,
    signal,
  }: {
    readonly studies: (options: CallOptions) => Promise<readonly OrthancId[]>;
    readonly objects: Pick<ObjectStorage, 'putOnce'>;
    readonly prefix: string;
  } & CallOptions,
): Promise<PlannedShards> {
  const shards: readonly Shard[] =
    work === 'copy'
      ? (await studies({ signal })).map((study) => ({ study }))
      : Array.from({ length: parts }, (_, index) => ({ n: index + 1, t: parts }));
  const { manifest, results } = shardsKey(execution);
  const bytes = Buffer.from(JSON.stringify(shards));
  await objects.putOnce(manifest, bytes, { sizeBytes: bytes.length, contentType: 'application/json', signal });
  return { manifest: prefix + manifest, results: prefix + results, shards: shards.length };
}

export interface CopyShardOptions {
  readonly mirror: string;
  /** What a study holds at the source; nothing if it is gone. */
  readonly instancesOf: (study: OrthancId, options: CallOptions) => Promise<readonly InventoryEntry[]>;
  /** Does what a message says; throws the MirrorError that decides what becomes of it. */
  readonly work: (message: QueueMessage) => Promise<void>;
  /** Leaves messages to the queue. Throws what the queue throws. */
  readonly leave: (messages: readonly QueueMessage[]) => Promise<void>;
  /** Aborts when no more is to be begun. */
  readonly signal: AbortSignal;
}

export interface ShardCounts {
  /** Instances and sidecars that are done. */
  readonly done: number;
  /** Those that are left to the queue. */
  readonly left: number;
}

/** Instances of a study that are copied at once. */
const copiesAtOnce = 4;

/**
 * Copies a study: its instances, then its sidecar. Throws the error that halts the mirror, with nothing left to the queue: the
 * shard is worked on again, and what is there already costs a look.
 */
export async function copyShard(study: OrthancId, options: CopyShardOptions): Promise<ShardCounts> {
  const { mirror, instancesOf, leave, signal } = options;
  const instances = (await instancesOf(study, { signal })).map(
    ({ id, sizeBytes }): QueueMessage => ({ v: 1, mirror, kind: 'instance', id, sizeBytes }),
  );
  const tried = await inParallel(instances, copiesAtOnce, (message) => tryMessage(message, options));
  const document: QueueMessage = { v: 1, mirror, kind: 'study', id: study };
  const all = [...tried, await tryMessage(document, options)];
  const left = all.filter((message) => message !== undefined);
  if (left.length > 0) await leave(left);
  return { done: all.length - left.length, left: left.length };
}

/** @returns the message if the queue must try it again */
async function tryMessage(
  message: QueueMessage,
  { work, signal }: CopyShardOptions,
): Promise<QueueMessage | undefined> {
  if (signal.aborted) return message;
  try {
    await work(message);
    return undefined;
  } catch (error) {
    if (!isMirrorError(error)) throw error;
    if (error.disposition === 'skip') return undefined;
    if (error.disposition === 'halt') throw error;
    return message;
  }
}
