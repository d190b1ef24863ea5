/**
 * What a repair must still write to a server, kept in the archive until it is written: deleting an instance deletes what
 * users attached to it, and a process may be killed before it is back.
 *
 *     state/repair/<hash of the server's name>/<orthanc id>.json
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { isOrthancId, type OrthancId } from '../identifiers.ts';
import { listOf } from '../json.ts';
import { readDocument } from '../stores/archive/json-document.ts';
import { folders, stateKey } from '../stores/archive/keys.ts';
import type { ObjectStorage } from '../stores/archive/object-storage.ts';
import { StateDocument } from '../stores/archive/state.ts';
import type { CallOptions } from '../stores/store.ts';
import { applyPatientDocument, applyStudyDocument } from '../studies/apply-document.ts';
import { attachmentsOfArchive } from '../studies/attachment-source.ts';
import type { Limitations } from '../studies/limitations.ts';
import { patientDocumentSchema, studyDocumentSchema } from '../studies/study-document.ts';
import type { StudyServer } from '../studies/study-server.ts';

const pendingSchema = z.strictObject({
  version: z.literal(1),
  study: studyDocumentSchema,
  /** Absent where the patient keeps what it has. */
  patient: patientDocumentSchema.optional(),
  /** Only these resources are written to. */
  only: listOf(z.custom<OrthancId>(isOrthancId)),
});
export type PendingWrite = z.infer<typeof pendingSchema>;

export interface WriteOptions extends CallOptions {
  readonly server: StudyServer;
  readonly limitations: Limitations;
}

export class PendingWrites {
  readonly #objects: ObjectStorage;
  readonly #folder: string;

  /** @param serverName how the server is called; not what is written down */
  constructor(objects: ObjectStorage, serverName: string) {
    this.#objects = objects;
    this.#folder = `repair/${createHash('sha256').update(serverName).digest('hex').slice(0, 16)}`;
  }

  /** Keeps what must be written for a resource; the attachments are in the archive already. Durable when it returns. */
  async keep(id: OrthancId, pending: PendingWrite, options: CallOptions): Promise<void> {
    const document = new StateDocument(this.#objects, `${this.#folder}/${id}`, pendingSchema);
    const present = await document.read(options);
    await document.write(pending, present?.version ?? null, options);
  }

  /**
   * Writes what is kept for a resource to the server, and forgets it. Nothing happens if nothing is kept; what is kept
   * for instances that the server does not hold (yet) stays. @returns whether it is done with.
   */
  async finish(id: OrthancId, options: WriteOptions): Promise<boolean> {
    const kept = await this.#read(id, options);
    return kept === undefined || this.#write(id, kept, options);
  }

  /**
   * As {@link finish}, for everything that is kept. What was saved from the server itself is written last, because it is
   * newer than what an archive has. @returns how many resources are left.
   */
  async finishAll(options: WriteOptions): Promise<number> {
    const all = await Array.fromAsync(this.#list(options), async (id) => ({ id, kept: await this.#read(id, options) }));
    const fromArchive = all.filter(({ id, kept }) => kept?.study.id === id);
    const fromServer = all.filter((one) => !fromArchive.includes(one));
    let left = 0;
    for (const { id, kept } of [...fromArchive, ...fromServer]) {
      if (kept !== undefined && !(await this.#write(id, kept, options))) left += 1;
    }
    return left;
  }

  async *#list({ signal }: CallOptions): AsyncGenerator<OrthancId> {
    const prefix = `${folders.state}${this.#folder}/`;
    for await (const { key } of this.#objects.list(prefix, { signal })) {
      const id = key.slice(prefix.length).replace(/\.json$/, '');
      if (isOrthancId(id)) yield id;
    }
  }

  async #read(id: OrthancId, { signal }: CallOptions): Promise<PendingWrite | undefined> {
    return (await readDocument(this.#objects, this.#keyOf(id), pendingSchema, { signal }))?.value;
  }

  async #write(
    id: OrthancId,
    { study, patient, only }: PendingWrite,
    { server, limitations, signal }: WriteOptions,
  ): Promise<boolean> {
    const options = { attachments: attachmentsOfArchive(this.#objects), limitations, signal };
    const applied = await applyStudyDocument(study, server, { ...options, only: new Set(only) });
    if (patient !== undefined) await applyPatientDocument(patient, server, options);
    if (applied.pendingInstances > 0) return false;
    await this.#objects.delete(this.#keyOf(id), { signal });
    return true;
  }

  #keyOf(id: OrthancId): string {
    return stateKey(`${this.#folder}/${id}`);
  }
}
