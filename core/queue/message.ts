/**
 * What a queue message says: one resource of one configured mirror. It is a hint where to look, so it can name nothing
 * else: no host, no bucket, no key. The schema is strict, because whoever may write to the queue is not trusted more.
 */
import { z } from 'zod';
import { nameSchema } from '../config/schema.ts';
import { MirrorError } from '../errors.ts';
import { type InstanceId, isInstanceId, isMd5, isOrthancId, type Md5, type OrthancId } from '../identifiers.ts';
import { jsonBoundsOf, readJson } from '../json.ts';

/** Ours have some hundred bytes. */
const longestMessageBytes = 4096;

const envelope = { v: z.literal(1), mirror: nameSchema };

const instanceMessageSchema = z.strictObject({
  ...envelope,
  kind: z.literal('instance'),
  id: z.custom<InstanceId>(isInstanceId),
  /** What the source reported when it was listed; whoever copies asks again. */
  md5: z.custom<Md5>(isMd5).optional(),
  sizeBytes: z.int().min(0).optional(),
});

const studyMessageSchema = z.strictObject({
  ...envelope,
  kind: z.literal('study'),
  id: z.custom<OrthancId>(isOrthancId),
});

const resourceMessageSchema = z.strictObject({
  ...envelope,
  kind: z.literal('resource'),
  level: z.enum(['patients', 'series', 'instances']),
  id: z.custom<OrthancId>(isOrthancId),
});

const restoreMessageSchema = z.strictObject({
  ...envelope,
  kind: z.literal('restore'),
  /** Configured name of the target. */
  target: nameSchema,
  id: z.custom<InstanceId>(isInstanceId),
  /** Which version of the archive. */
  md5: z.custom<Md5>(isMd5),
  sizeBytes: z.int().min(0).optional(),
});

const restoreStudyMessageSchema = z.strictObject({
  ...envelope,
  kind: z.literal('restore-study'),
  target: nameSchema,
  id: z.custom<OrthancId>(isOrthancId),
  /** The state of this moment; absent: the newest. */
  at: z.iso.datetime().optional(),
});

const messageSchema = z.discriminatedUnion('kind', [
  instanceMessageSchema,
  studyMessageSchema,
  resourceMessageSchema,
  restoreMessageSchema,
  restoreStudyMessageSchema,
]);

/** An instance whose bytes are to be copied. */
export type InstanceMessage = z.output<typeof instanceMessageSchema>;
/** A study whose document (labels, metadata, attachments) is to be copied. */
export type StudyMessage = z.output<typeof studyMessageSchema>;
/** A resource whose metadata or attachments changed: the document of its study is to be copied. */
export type ResourceMessage = z.output<typeof resourceMessageSchema>;
/** An instance that is to be copied from the archive to a target. */
export type RestoreMessage = z.output<typeof restoreMessageSchema>;
/** A study whose document is to be brought from the archive to a target. */
export type RestoreStudyMessage = z.output<typeof restoreStudyMessageSchema>;
export type QueueMessage = InstanceMessage | StudyMessage | ResourceMessage | RestoreMessage | RestoreStudyMessage;

/** Reads the body of a queue message. Throws `malformed-message`, which repeats nothing of the body. */
export function parseMessage(body: string): QueueMessage {
  const read = readJson(body, messageSchema, jsonBoundsOf(longestMessageBytes));
  if (!read.ok) {
    throw new MirrorError('malformed-message', 'The message is not one of ours; find out who writes to the queue.');
  }
  return read.value;
}

/** A place where messages wait until somebody works on them. */
export interface InstanceQueue {
  /** Returns only after every message was acknowledged by the queue; may send some twice. Throws a MirrorError. */
  send(messages: AsyncIterable<QueueMessage> | Iterable<QueueMessage>): Promise<void>;
}
