/**
 * A server computes ids itself, and may read a PatientID that is not ASCII in another encoding than whoever gave the id
 * that a file has so far. What it makes of it is right, and the copy is repeated under the id that it uses.
 */

import type { ByteBudget } from '../copy/byte-budget.ts';
import { copyInstance } from '../copy/copy-instance.ts';
import type { CopyResult, Destination, DestinationOutcome } from '../copy/outcome.ts';
import { isMirrorError } from '../errors.ts';
import type { InstanceId } from '../identifiers.ts';
import { type FoundInstance, FoundInstances } from './found-instances.ts';

/** A result in which the destinations that use another id have their outcome under that one. */
export interface ResultUnderUsedId {
  readonly result: CopyResult;
  /** The id that a destination uses instead, if one does. */
  readonly usedId: InstanceId | undefined;
}

/** Repeats a copy that was rejected for its id under the other ids that the instance can have. */
export async function copyUnderOtherIds(
  result: CopyResult,
  instance: FoundInstance,
  budget: ByteBudget,
): Promise<ResultUnderUsedId> {
  let usedId: InstanceId | undefined;
  const outcomes: DestinationOutcome[] = [];
  for (const outcome of result.outcomes) {
    const again = isWrongId(outcome) ? await copyUnderOtherId(instance, outcome.destination, budget) : undefined;
    usedId ??= again?.id;
    outcomes.push(again?.outcome ?? outcome);
  }
  return { result: { ...result, outcomes }, usedId };
}

function isWrongId({ kind, error }: DestinationOutcome): boolean {
  return kind === 'rejected' && error?.code === 'wrong-id';
}

/** Tries one id after the other: nothing is sent under one that the destination would not give. */
async function copyUnderOtherId(
  instance: FoundInstance,
  destination: Destination,
  budget: ByteBudget,
): Promise<{ readonly id: InstanceId; readonly outcome: DestinationOutcome } | undefined> {
  const { md5, sizeBytes } = instance;
  for (const id of instance.otherIds) {
    const source = new FoundInstances('the file');
    source.add({ ...instance, id });
    const request = { id, md5, sizeBytes, lacking: [destination], undecided: [] };
    const [outcome] = (await copyInstance(request, { source, budget })).outcomes;
    if (outcome !== undefined && !isWrongId(outcome)) {
      return { id, outcome };
    }
  }
  return undefined;
}

/** The id under which a destination holds exactly these bytes, other than the expected one; `undefined` if none. */
export async function idAt(
  { store }: Destination,
  { otherIds, md5 }: Pick<FoundInstance, 'otherIds' | 'md5'>,
): Promise<InstanceId | undefined> {
  for (const id of otherIds) {
    try {
      if ((await store.lookup(id)).some((entry) => entry.md5 === md5)) {
        return id;
      }
    } catch (error) {
      if (!isMirrorError(error)) {
        throw error;
      }
      // The destination cannot be asked: nothing is known, and the copy will meet the same error.
      return undefined;
    }
  }
  return undefined;
}
