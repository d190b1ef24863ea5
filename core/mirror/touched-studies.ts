/** The instances that came since sidecars were last compared: their studies' sidecars list them. */
import * as z from 'zod';
import type { CallOptions } from '../call-options.ts';
import type { CopyResult } from '../copy/outcome.ts';
import { type InstanceId, isOrthancId, type Md5, type OrthancId } from '../identifiers.ts';
import { listOf } from '../json.ts';
import type { StudyServer } from '../sidecars/study-server.ts';
import { listStudyIds } from '../stores/orthanc/list-study-ids.ts';

/** Copied instances that are remembered one by one; beyond, every study is synchronized. */
const mostTouched = 20_000;
/** Studies of copied instances that are looked for at once. */
const studiesAskedAtOnce = 4;

export class TouchedStudies {
  readonly #instances = new Set<InstanceId>();
  /** Versions that the archive is known to hold: their sidecars need not ask for them. */
  readonly #archived = new Map<InstanceId, Md5>();

  /** Takes in what became of an instance. */
  note({ id, md5, outcomes }: Pick<CopyResult, 'id' | 'md5' | 'outcomes'>): void {
    if (!outcomes.some(({ kind }) => kind === 'copied')) return;
    if (this.#instances.size <= mostTouched) this.#instances.add(id);
    const isArchived = outcomes.some(
      ({ destination, kind }) => destination.role === 'archive' && (kind === 'copied' || kind === 'already-equal'),
    );
    if (isArchived && md5 !== undefined && this.#archived.size <= mostTouched) this.#archived.set(id, md5);
  }

  /** Whether the archive was seen to take a version, or to have it, since {@link forgetArchived}. */
  isArchived(id: InstanceId, md5: Md5): boolean {
    return this.#archived.get(id) === md5;
  }

  forgetArchived(): void {
    this.#archived.clear();
  }

  /** The studies of the instances that came, which are forgotten; two requests for each study. */
  async take(source: StudyServer, { signal }: CallOptions): Promise<Iterable<OrthancId>> {
    const left = new Set<OrthancId>(this.#instances);
    this.#instances.clear();
    if (left.size > mostTouched) return listStudyIds(source, { signal });
    const studies = new Set<OrthancId>();
    const queue = left.values();
    const ask = async () => {
      for (const id of queue) {
        const study = await studyWithInstances(source, id, { signal });
        if (study === undefined) continue;
        studies.add(study.id);
        // What is of the same study need not be asked for.
        for (const instance of study.instances) left.delete(instance);
      }
    };
    await Promise.all(Array.from({ length: studiesAskedAtOnce }, ask));
    return studies;
  }
}

const resourceSchema = z.looseObject({ ID: z.custom<OrthancId>(isOrthancId) });

/** The study of an instance with all its instances, so that the others need not be asked for; two requests. */
async function studyWithInstances(
  { client }: StudyServer,
  id: OrthancId,
  { signal }: CallOptions,
): Promise<{ readonly id: OrthancId; readonly instances: readonly OrthancId[] } | undefined> {
  const study = await client.findJson(`/instances/${id}/study`, resourceSchema, { signal });
  if (study === undefined) return undefined;
  const instances = await client.findJson(`/studies/${study.ID}/instances`, listOf(resourceSchema), { signal });
  return { id: study.ID, instances: (instances ?? []).map(({ ID }) => ID) };
}
