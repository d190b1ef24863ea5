/** Differences by series or study: for people who look for what to resend. */

import * as z from 'zod';
import type { OpenMirror } from '../../core/config/open.ts';
import { readDicom } from '../../core/dicom/dicom-header.ts';
import { isMirrorError } from '../../core/errors.ts';
import { type InstanceId, isOrthancId, type OrthancId } from '../../core/identifiers.ts';
import type { ComparedInstance, ComparisonKind } from '../../core/mirror/check.ts';
import { isOrthancStore, type OrthancStore } from '../../core/stores/orthanc/orthanc-store.ts';
import type { Store } from '../../core/stores/store.ts';

/** The differences of one series or study at one store. `id` is `unknown` where nobody could tell the parent. */
export interface Group {
  readonly id: string;
  readonly store: string;
  readonly counts: ReadonlyMap<ComparisonKind, number>;
}

export type ParentLevel = 'series' | 'study';

/** Collects the differences of each series or study; memory grows with the number of those that differ. */
export class Grouping {
  readonly #level: ParentLevel;
  readonly #mirror: Pick<OpenMirror, 'source' | 'destinations'>;
  readonly #groups = new Map<
    string,
    { readonly id: string; readonly store: string; counts: Map<ComparisonKind, number> }
  >();

  constructor(level: ParentLevel, mirror: Pick<OpenMirror, 'source' | 'destinations'>) {
    this.#level = level;
    this.#mirror = mirror;
  }

  /** Takes an instance in; asks a store that holds it for its parent if it differs somewhere. */
  async add({ id, atSource, comparisons }: ComparedInstance, signal: AbortSignal): Promise<void> {
    const different = comparisons.filter(({ kind }) => kind !== 'equal' && kind !== 'removed');
    if (different.length === 0) return;
    const holders = atSource ? [this.#mirror.source] : different.map(({ destination }) => destination.store);
    const parent = (await parentOf(id, this.#level, holders, signal)) ?? 'unknown';
    for (const { destination, kind } of different) this.#count(parent, destination.store.name, kind);
  }

  groups(): readonly Group[] {
    return [...this.#groups.values()];
  }

  #count(id: string, store: string, kind: ComparisonKind): void {
    const key = `${id} ${store}`;
    const group = this.#groups.get(key) ?? { id, store, counts: new Map<ComparisonKind, number>() };
    this.#groups.set(key, group);
    group.counts.set(kind, (group.counts.get(kind) ?? 0) + 1);
  }
}

async function parentOf(
  id: InstanceId,
  level: ParentLevel,
  holders: readonly Store[],
  signal: AbortSignal,
): Promise<OrthancId | undefined> {
  for (const store of holders) {
    try {
      return isOrthancStore(store)
        ? await askServer(store, id, level, signal)
        : await readHeader(store, id, level, signal);
    } catch (error) {
      if (!isMirrorError(error) || signal.aborted) throw error;
    }
  }
  return undefined;
}

const parentSchema = z.looseObject({ ID: z.custom<OrthancId>(isOrthancId) });

async function askServer(
  store: OrthancStore,
  id: InstanceId,
  level: ParentLevel,
  signal: AbortSignal,
): Promise<OrthancId> {
  return (await store.client.getJson(`/instances/${id}/${level}`, parentSchema, { signal })).ID;
}

/** An archive has no index: the identifiers are in the file. */
async function readHeader(
  store: Store,
  id: InstanceId,
  level: ParentLevel,
  signal: AbortSignal,
): Promise<OrthancId | undefined> {
  const opened = await store.open(id, { signal });
  try {
    const reading = await readDicom(opened.body);
    if (reading.kind !== 'instance') return undefined;
    return level === 'study' ? reading.header.studyId : reading.header.seriesId;
  } finally {
    opened.cancel();
  }
}
