/**
 * What a queue message says: one resource of one configured mirror. It is a hint where to look, so it can name nothing
 * else: no host, no bucket, no key. The schema is strict, because whoever may write to the queue is not trusted more.
 */
import { z } from 'zod';
import { nameSchema } from '../config/schema.ts';
import { MirrorError } from '../errors.ts';
import { type InstanceId, isInstanceId, isMd5, isOrthancId, type Md5, type OrthancId } from '../identifiers.ts';

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

const messageSchema = z.discriminatedUnion('kind', [instanceMessageSchema, studyMessageSchema, resourceMessageSchema]);

/** An instance whose bytes are to be copied. */
export type InstanceMessage = z.output<typeof instanceMessageSchema>;
/** A study whose document (labels, metadata, attachments) is to be copied. */
export type StudyMessage = z.output<typeof studyMessageSchema>;
/** A resource whose metadata or attachments changed: the document of its study is to be copied. */
export type ResourceMessage = z.output<typeof resourceMessageSchema>;
export type QueueMessage = InstanceMessage | StudyMessage | ResourceMessage;

/** Reads the body of a queue message. Throws `malformed-message`, which repeats nothing of the body. */
export function parseMessage(body: string): QueueMessage {
  const result = messageSchema.safeParse(parseJson(body));
  if (!result.success) {
    throw new MirrorError('malformed-message', 'The message is not one of ours; find out who writes to the queue.');
  }
  return result.data;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A place where messages wait until somebody works on them. */
export interface InstanceQueue {
  /** Returns only after every message was acknowledged by the queue; may send some twice. Throws a MirrorError. */
  send(messages: AsyncIterable<QueueMessage> | Iterable<QueueMessage>): Promise<void>;
}
