/**
 * What a queue message says: one resource of one configured mirror. It is a hint where to look, so it can name nothing
 * else: no host, no bucket, no key, no hash. The schema is strict, because whoever may write to the queue is not trusted
 * more. A message of a restore names a job in the archive, without which it causes nothing.
 */
import * as z from 'zod';
import { jobIdSchema, jobPartSchema } from '../../archive-life/restore/restore-job.ts';
import { MirrorError } from '../../errors.ts';
import { type InstanceId, isInstanceId, isOrthancId, type OrthancId } from '../../identifiers.ts';
import { jsonBoundsOf, readJson } from '../../json.ts';
import { nameSchema } from '../../names.ts';

/** Ours have some hundred bytes. */
const longestMessageBytes = 4096;

const envelope = { v: z.literal(1), mirror: nameSchema };

const instanceMessageSchema = z.strictObject({
  ...envelope,
  kind: z.literal('instance'),
  id: z.custom<InstanceId>(isInstanceId),
  /** How much memory to allow for. There is no hash beside it: whoever copies asks the source, and believes nobody else. */
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

/** What authorizes it, and what is restored in which version, stands in a job of the archive. */
const ofJob = { job: jobIdSchema, part: jobPartSchema };

const restoreMessageSchema = z.strictObject({
  ...envelope,
  kind: z.literal('restore'),
  ...ofJob,
  id: z.custom<InstanceId>(isInstanceId),
});

const restoreStudyMessageSchema = z.strictObject({
  ...envelope,
  kind: z.literal('restore-study'),
  ...ofJob,
  id: z.custom<OrthancId>(isOrthancId),
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
/** An instance of a restore job. */
export type RestoreMessage = z.output<typeof restoreMessageSchema>;
/** A study of a restore job, whose document is to be brought to the target. */
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

/** Whether a message is known to be of an instance of more than so many bytes. */
export function isLarge(message: QueueMessage, largeBytes: number): boolean {
  return message.kind === 'instance' && (message.sizeBytes ?? 0) > largeBytes;
}

/** Two queues as one: a message of an instance that is known to be large goes to `large`. */
export function bySize(small: InstanceQueue, large: InstanceQueue, largeBytes: number): InstanceQueue {
  return {
    async send(messages) {
      const largeOnes: QueueMessage[] = [];
      async function* smallOnes(): AsyncGenerator<QueueMessage> {
        for await (const message of messages) {
          if (isLarge(message, largeBytes)) largeOnes.push(message);
          else yield message;
        }
      }
      await small.send(smallOnes());
      if (largeOnes.length > 0) await large.send(largeOnes);
    },
  };
}
