/** Verifies the next share of a store and remembers in its rotation that it was. */

import type { InstanceId } from '../../identifiers.ts';
import type { OnSidecarFinding } from '../../sidecars/sidecar-state.ts';
import type { Archive } from '../../stores/archive/archive.ts';
import type { ObjectStorage } from '../../stores/archive/object-storage.ts';
import { StateDocument } from '../../stores/archive/state.ts';
import type { Store } from '../../stores/store.ts';
import { type Checked, verifyBeside } from '../verify-beside.ts';
import {
  cutShare,
  finishShare,
  isShareDue,
  newRotation,
  nextShare,
  oldestUnverifiedMs,
  type Rotation,
  rotationSchema,
  type Share,
} from './rotation.ts';
import { idBefore } from './subset.ts';
import { type Verified, verifyStore } from './verify.ts';

export interface VerifyShareOptions {
  readonly store: Store;
  /** An archive, whose sidecars, attachments and records of the share are verified too. */
  readonly beside?: { readonly archive: Archive; readonly onFinding: OnSidecarFinding } | undefined;
  readonly document: Pick<StateDocument<Rotation>, 'read' | 'write'>;
  /** Everything is read once in so many days: a share that is not due yet is left for later. */
  readonly everyDays: number;
  readonly now: () => Date;
  /** What was read until it aborts counts; the next run goes on behind it. */
  readonly deadline: AbortSignal;
}

export interface ShareReport {
  readonly sound: number;
  /** Damaged, lost, or not readable; what vanished meanwhile is no problem. */
  readonly problems: readonly ShareProblem[];
  /** Whether the share was read to its end. */
  readonly complete: boolean;
  readonly oldestUnverifiedMs: number;
}

/** An instance, or something beside the instances of an archive, that is not as it should be. */
export type ShareProblem = Verified | Checked;

/** The document of the rotation of one store; `name` as in metrics. */
export function rotationDocument(objects: ObjectStorage, name: string): StateDocument<Rotation> {
  return new StateDocument(objects, `verify-${name}`, rotationSchema);
}

/** Reads the next share back; `undefined` if none is due. Throws what listing the store or keeping the state throws. */
export async function verifyShare(options: VerifyShareOptions): Promise<ShareReport | undefined> {
  const { document, now, everyDays } = options;
  const found = await document.read();
  const before = found?.value ?? newRotation(now());
  if (!isShareDue(before, everyDays, now())) return undefined;
  const share = nextShare(before, now());
  const read = await readShare(share, options);
  const after = rotationAfter(before, share, read);
  await document.write(after, found?.version ?? null);
  const { sound, problems, complete } = read;
  return { sound, problems, complete, oldestUnverifiedMs: oldestUnverifiedMs(after, now()) };
}

interface ReadShare {
  readonly sound: number;
  readonly problems: readonly ShareProblem[];
  readonly complete: boolean;
  /** The last id of which every version was read. */
  readonly last: InstanceId | undefined;
}

function rotationAfter(before: Rotation, share: Share, { complete, last }: ReadShare): Rotation {
  if (complete) return finishShare(before, share);
  return last === undefined ? before : cutShare(before, share, last);
}

async function readShare(share: Share, { store, beside, deadline }: VerifyShareOptions): Promise<ReadShare> {
  let sound = 0;
  let last = share.after;
  let current: InstanceId | undefined;
  const problems: ShareProblem[] = [];
  const note = (one: ShareProblem) => {
    if (one.kind === 'sound') sound += 1;
    else if (one.kind !== 'vanished') problems.push(one);
  };
  const options = { after: share.after ?? idBefore(share.from), before: share.to, signal: deadline };
  try {
    for await (const verified of verifyStore(store, options)) {
      if (current !== undefined && current !== verified.id) last = current;
      current = verified.id;
      note(verified);
    }
    last = current ?? last;
    // What is beside the instances is few: where a deadline cuts it, it begins again.
    if (beside !== undefined) {
      const range = { after: idBefore(share.from), before: share.to, onFinding: beside.onFinding, signal: deadline };
      for await (const one of verifyBeside(beside.archive, range)) note(one);
    }
  } catch (error) {
    if (!deadline.aborted) throw error;
    return { sound, problems, complete: false, last };
  }
  return { sound, problems, complete: true, last: current };
}
