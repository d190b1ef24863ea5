/**
 * What must still be written to a server after an instance was taken away there to be stored anew: Orthanc deletes with
 * it what users attached, and a process may be killed before all of it is back. A record tells where it is saved:
 *
 *     state/repair/<hash of the server's address>/<orthanc id>.json
 *
 * Whoever writes to the server next finishes it: a mirror run, a tick, a restore, a repair. By then users may have worked
 * there. So only what the server lacks is written, and what anybody wrote since stays.
 */
import { createHash } from 'node:crypto';
import * as z from 'zod';
import type { CallOptions } from '../call-options.ts';
import { isMirrorError, type MirrorError } from '../errors.ts';
import { isOrthancId, type OrthancId } from '../identifiers.ts';
import { listOf } from '../json.ts';
import { applyPatientSidecar, applyStudySidecar } from '../sidecars/apply-sidecar.ts';
import { attachmentsOfArchive } from '../sidecars/attachment-source.ts';
import type { Limitations } from '../sidecars/limitations.ts';
import { listedResourceSchema } from '../sidecars/listed-resource.ts';
import { readSidecar, type SidecarLevel, type Sidecars } from '../sidecars/sidecar-state.ts';
import type { StudyServer } from '../sidecars/study-server.ts';
import { documentBytes, readDocument } from '../stores/archive/json-document.ts';
import { folders, stateKey } from '../stores/archive/keys.ts';
import type { ObjectStorage } from '../stores/archive/object-storage.ts';
import { StateDocument } from '../stores/archive/state.ts';

const orthancId = z.custom<OrthancId>(isOrthancId);
const referenceSchema = z.strictObject({ id: orthancId, key: z.string(), hash8: z.string() });

const keptSchema = z.strictObject({
  version: z.literal(1),
  at: z.iso.datetime(),
  /** The sidecars with what is to be written; their attachments are in the archive. */
  study: referenceSchema,
  /** Absent where the patient keeps what it has. */
  patient: referenceSchema.optional(),
  /** Only these resources are written to. */
  only: listOf(orthancId),
  /** Of an instance: its file on the server before. While it has that one, it was never taken away. */
  fileUuid: z.string().optional(),
});
export type KeptRepair = z.infer<typeof keptSchema>;

/** What takes the place of a record where nothing may be deleted, as in the cloud. */
const finishedSchema = z.strictObject({ version: z.literal(1), finished: z.literal(true) });
const recordSchema = z.union([keptSchema, finishedSchema]);

/** A sidecar that lies in the archive; `hash8` as in the key of a state. */
export type SidecarReference = z.infer<typeof referenceSchema>;

export interface FinishOptions extends CallOptions {
  readonly server: StudyServer;
  readonly limitations: Limitations;
}

/** What became of one record. */
export interface FinishedRepair {
  /** The instance, or the study, that was taken away. */
  readonly id: OrthancId;
  /** The record, which names where everything is saved. */
  readonly key: string;
  /** `waiting`: it is not back yet; the record stays. */
  readonly kind: 'finished' | 'waiting' | 'failed';
  readonly error?: MirrorError;
}

export class KeptRepairs {
  readonly #objects: ObjectStorage;
  readonly #folder: string;

  constructor(objects: ObjectStorage, { address }: { readonly address: string }) {
    this.#objects = objects;
    this.#folder = `repair/${createHash('sha256').update(address).digest('hex').slice(0, 16)}`;
  }

  /** Keeps what must be written when a resource is back. Durable when it returns. */
  async keep(id: OrthancId, kept: KeptRepair, options: CallOptions): Promise<void> {
    const document = new StateDocument(this.#objects, `${this.#folder}/${id}`, recordSchema);
    const present = await document.read(options);
    await document.write(kept, present?.version ?? null, options);
  }

  /**
   * Finishes everything that is kept for the server: one listing, of nothing as a rule. What the server itself had of an
   * instance, and of what disappeared with it, goes before what the archive has of a study: that may be older.
   */
  async *finishAll(options: FinishOptions): AsyncGenerator<FinishedRepair> {
    const ids = await Array.fromAsync(this.#list(options));
    const ofStudies = new Set<OrthancId>();
    for (const id of ids) if (await this.#isOfStudy(id, options)) ofStudies.add(id);
    for (const id of [...ids.filter((one) => !ofStudies.has(one)), ...ofStudies]) {
      const finished = await this.finish(id, options);
      if (finished !== undefined) yield finished;
    }
  }

  /** Whether the archive's sidecar of a whole study is what is to be written; not if that cannot be read. */
  async #isOfStudy(id: OrthancId, { signal }: CallOptions): Promise<boolean> {
    try {
      const found = await readDocument(this.#objects, stateKey(`${this.#folder}/${id}`), recordSchema, { signal });
      return found !== undefined && !('finished' in found.value) && found.value.study.id === id;
    } catch (error) {
      signal?.throwIfAborted();
      if (!isMirrorError(error)) throw error;
      return false;
    }
  }

  /** Finishes what is kept for a resource, and forgets it. `undefined` if nothing is kept (any more). */
  async finish(id: OrthancId, options: FinishOptions): Promise<FinishedRepair | undefined> {
    const key = stateKey(`${this.#folder}/${id}`);
    try {
      const found = await readDocument(this.#objects, key, recordSchema, options);
      if (found === undefined || 'finished' in found.value) return undefined;
      if (!(await this.#writeBack(id, found.value, options))) return { id, key, kind: 'waiting' };
      await this.#forget(key, found.etag, options);
      return { id, key, kind: 'finished' };
    } catch (error) {
      options.signal?.throwIfAborted();
      if (!isMirrorError(error)) throw error;
      return { id, key, kind: 'failed', error };
    }
  }

  /** @returns whether everything is back to which it belongs. */
  async #writeBack(id: OrthancId, kept: KeptRepair, { server, limitations, signal }: FinishOptions): Promise<boolean> {
    if (kept.fileUuid !== undefined) {
      const there = await server.client.findJson(`/instances/${id}`, listedResourceSchema, { signal });
      if (there === undefined) return false;
      // What users removed since they removed themselves.
      if (there.FileUuid === kept.fileUuid) return true;
    }
    const only = new Set(kept.only);
    const attachments = attachmentsOfArchive(this.#objects);
    const options = { attachments, limitations, only, mode: 'finish', signal } as const;
    const study = await this.#read('studies', kept.study, { signal });
    if (study !== undefined) {
      const { held, lacking } = await applyStudySidecar(study, server, options);
      if (!held || lacking.some(({ id }) => only.has(id))) return false;
    }
    const patient = kept.patient && (await this.#read('patients', kept.patient, { signal }));
    if (patient !== undefined) await applyPatientSidecar(patient, server, { ...options, only: undefined });
    return true;
  }

  async #forget(key: string, etag: string, { signal }: CallOptions): Promise<void> {
    try {
      await this.#objects.delete(key, { signal });
    } catch (error) {
      if (!isMirrorError(error, 'forbidden', 'unauthorized')) throw error;
      const finished = { version: 1, finished: true } satisfies z.infer<typeof finishedSchema>;
      await this.#objects.replaceIf(key, documentBytes(finished), etag, { signal });
    }
  }

  #read<Level extends SidecarLevel>(
    level: Level,
    reference: SidecarReference,
    options: CallOptions,
  ): Promise<Sidecars[Level] | undefined> {
    return readSidecar(this.#objects, { level, ...reference, at: new Date(0) }, options);
  }

  async *#list({ signal }: CallOptions): AsyncGenerator<OrthancId> {
    const prefix = `${folders.state}${this.#folder}/`;
    for await (const { key } of this.#objects.list(prefix, { signal })) {
      const id = key.slice(prefix.length).replace(/\.json$/, '');
      if (isOrthancId(id)) yield id;
    }
  }
}
