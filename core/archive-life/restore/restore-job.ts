/**
 * What lets the stack restore: a job in the archive, put there by whoever commands the restore and by nobody else. A queue
 * message names a job and one thing in it; who may only write messages can cause nothing that no job names.
 *
 *     jobs/<id>/job.json           mirror, target, moment, and how long it holds
 *     jobs/<id>/<number>.json      a part of what is restored: instances, or studies whose sidecars are
 *     jobs/<id>/finished.json      the restore is over
 *
 * Everything is written once. Ids and hashes only: nothing in here is a patient's.
 */
import { randomBytes } from 'node:crypto';
import * as z from 'zod';
import type { CallOptions } from '../../call-options.ts';
import { isMirrorError, MirrorError } from '../../errors.ts';
import { type InstanceId, isInstanceId, isMd5, isOrthancId, type Md5, type OrthancId } from '../../identifiers.ts';
import { listOf } from '../../json.ts';
import { nameSchema } from '../../names.ts';
import { documentBytes, readDocument } from '../../stores/archive/json-document.ts';
import { jobKey, keyTime } from '../../stores/archive/keys.ts';
import type { ObjectStorage } from '../../stores/archive/object-storage.ts';

/** As long as a message of it, or a dead letter, can be kept. */
const holdsMs = 14 * 24 * 3_600_000;
/** Things in one part; a part is read whole. */
export const partSize = 1000;

/** `<UTC time>-<eight random digits>`: sorts by time, and is not to be guessed before it is there. */
export const jobIdSchema = z.string().regex(/^\d{8}T\d{6}\.\d{3}Z-[0-9a-f]{8}$/);
export const jobPartSchema = z.int().min(1).max(999_999);

const jobSchema = z.strictObject({
  version: z.literal(1),
  id: jobIdSchema,
  kind: z.literal('restore'),
  /** Configured names. */
  mirror: nameSchema,
  target: nameSchema,
  /** The state of this moment; `null`: the newest. */
  at: z.iso.datetime().nullable(),
  begunAt: z.iso.datetime(),
  /** Nothing is restored for it any more after this. */
  expiresAt: z.iso.datetime(),
});
/** What a restore is about. */
export type RestoreJob = z.output<typeof jobSchema>;

const jobInstanceSchema = z.strictObject({
  id: z.custom<InstanceId>(isInstanceId),
  /** Which version of the archive. */
  md5: z.custom<Md5>(isMd5),
  sizeBytes: z.int().min(0).optional(),
});
/** A version that is to be restored. */
export type JobInstance = z.output<typeof jobInstanceSchema>;

/** What stands in a part. */
export const restoreJobPartSchema = z.strictObject({
  version: z.literal(1),
  instances: listOf(jobInstanceSchema).refine(fitsInPart),
  studies: listOf(z.custom<OrthancId>(isOrthancId)).refine(fitsInPart),
});

type JobPart = z.output<typeof restoreJobPartSchema>;

function fitsInPart(things: readonly unknown[]): boolean {
  return things.length <= partSize;
}

const finishedSchema = z.strictObject({ version: z.literal(1), finishedAt: z.iso.datetime() });

/** Where one thing stands in a job. */
export interface JobEntry {
  readonly job: string;
  readonly part: number;
  readonly id: OrthancId;
}

/** Writes a job. Every method throws what the archive throws. */
export class RestoreJobWriter {
  readonly id: string;
  readonly #objects: ObjectStorage;
  readonly #now: () => Date;
  #parts = 0;

  private constructor(objects: ObjectStorage, id: string, now: () => Date) {
    this.#objects = objects;
    this.id = id;
    this.#now = now;
  }

  /** Begins a job; it allows nothing before {@link add}. */
  static async begin(
    objects: ObjectStorage,
    { mirror, target, at }: Pick<RestoreJob, 'mirror' | 'target'> & { readonly at: Date | undefined },
    now: () => Date = () => new Date(),
  ): Promise<RestoreJobWriter> {
    const begunAt = now();
    const writer = new RestoreJobWriter(objects, `${keyTime(begunAt)}-${randomBytes(4).toString('hex')}`, now);
    const job: RestoreJob = {
      version: 1,
      id: writer.id,
      kind: 'restore',
      mirror,
      target,
      at: at?.toISOString() ?? null,
      begunAt: begunAt.toISOString(),
      expiresAt: new Date(begunAt.getTime() + holdsMs).toISOString(),
    };
    await writer.#write('job', job);
    return writer;
  }

  /** Adds at most {@link partSize} things, which may be restored from now on. @returns the number of the part */
  async add(content: { readonly instances?: JobInstance[]; readonly studies?: OrthancId[] }): Promise<number> {
    this.#parts += 1;
    const { instances = [], studies = [] } = content;
    await this.#write(partName(this.#parts), restoreJobPartSchema.parse({ version: 1, instances, studies }));
    return this.#parts;
  }

  /** Nothing more is restored for this job. */
  async finish(): Promise<void> {
    await this.#write('finished', { version: 1, finishedAt: this.#now().toISOString() });
  }

  async #write(name: string, document: unknown): Promise<void> {
    const bytes = documentBytes(document);
    const options = { sizeBytes: bytes.length, contentType: 'application/json' };
    if ((await this.#objects.putOnce(jobKey(this.id, name), bytes, options)) === 'exists') {
      throw new MirrorError('changed-meanwhile', `${this.#objects.name}: somebody else writes the job ${this.id}`);
    }
  }
}

/**
 * The jobs of one mirror, as whoever works for them sees them. What was read is kept: make a new one for each batch. Every
 * method throws `job-refused` for what no job allows, with the reason, and what the archive throws.
 */
export class RestoreJobs {
  readonly #objects: ObjectStorage;
  readonly #mirror: string;
  readonly #options: CallOptions & { readonly now: () => Date };
  readonly #jobs = new Map<string, Promise<RestoreJob>>();
  readonly #parts = new Map<string, Promise<JobPart>>();

  constructor(objects: ObjectStorage, mirror: string, options: CallOptions & { readonly now: () => Date }) {
    this.#objects = objects;
    this.#mirror = mirror;
    this.#options = options;
  }

  /** @returns the version that is to be restored, and the job that says so */
  async instance(entry: JobEntry): Promise<{ readonly job: RestoreJob; readonly instance: JobInstance }> {
    const { job, part } = await this.#find(entry);
    const instance = part.instances.find(({ id }) => id === entry.id);
    if (instance === undefined) throw refused(entry.job, `does not name instance ${entry.id}`);
    return { job, instance };
  }

  /** @returns the job that says that the document of a study is to be restored */
  async study(entry: JobEntry): Promise<RestoreJob> {
    const { job, part } = await this.#find(entry);
    if (!part.studies.some((id) => id === entry.id)) throw refused(entry.job, `does not name study ${entry.id}`);
    return job;
  }

  async #find(entry: JobEntry): Promise<{ readonly job: RestoreJob; readonly part: JobPart }> {
    const job = await once(this.#jobs, entry.job, () => this.#readJob(entry.job));
    const name = partName(entry.part);
    const part = await once(this.#parts, jobKey(job.id, name), async () => {
      const found = await this.#document(job.id, name, restoreJobPartSchema);
      if (found === undefined) throw refused(job.id, `has no part ${entry.part}`);
      return found;
    });
    return { job, part };
  }

  async #readJob(id: string): Promise<RestoreJob> {
    const [job, finished] = await Promise.all([
      this.#document(id, 'job', jobSchema),
      this.#document(id, 'finished', finishedSchema),
    ]);
    if (job === undefined) throw refused(id, 'is not in the archive');
    if (job.id !== id || job.mirror !== this.#mirror) throw refused(id, 'is that of another mirror');
    if (finished !== undefined) throw refused(id, `was finished at ${finished.finishedAt}`);
    if (this.#options.now().getTime() >= Date.parse(job.expiresAt)) throw refused(id, `expired at ${job.expiresAt}`);
    return job;
  }

  async #document<T>(job: string, name: string, schema: z.ZodType<T>): Promise<T | undefined> {
    try {
      return (await readDocument(this.#objects, jobKey(job, name), schema, this.#options))?.value;
    } catch (error) {
      throw isMirrorError(error, 'archive-format') ? refused(job, `is damaged: ${error.message}`) : error;
    }
  }
}

/** Reads what several ask for once; a failure is not remembered. */
async function once<T>(known: Map<string, Promise<T>>, key: string, read: () => Promise<T>): Promise<T> {
  const reading = known.get(key) ?? read();
  known.set(key, reading);
  reading.catch(() => known.delete(key));
  return reading;
}

function partName(number: number): string {
  return String(number).padStart(6, '0');
}

function refused(job: string, why: string): MirrorError {
  return new MirrorError(
    'job-refused',
    `The restore job ${job} ${why}; run the restore again, or find out who writes to the queue.`,
  );
}
