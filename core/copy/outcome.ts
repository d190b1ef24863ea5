/** What became of one instance at each destination, in the words of the summary. */
import { isMirrorError, MirrorError } from '../errors.ts';
import type { InstanceId, Md5 } from '../identifiers.ts';
import type { DestinationStore } from '../stores/store.ts';

/** A place that the mirror writes to, with its part in the mirror. */
export interface Destination {
  readonly role: 'target' | 'archive';
  readonly store: DestinationStore;
}

/** Every way in which an instance can end, in the order in which the summary prints them. */
export const outcomeKinds = ['copied', 'already-equal', 'vanished', 'conflict', 'rejected', 'failed'] as const;
export type OutcomeKind = (typeof outcomeKinds)[number];

/** What happened at one destination. `error` tells the reason of every kind but `copied` and `already-equal`. */
export interface DestinationOutcome {
  readonly destination: Destination;
  readonly kind: OutcomeKind;
  readonly error?: MirrorError;
  /** Which end met the error. */
  readonly at?: 'source' | 'destination';
  /** An archive keeps the bytes beside those that it lists, which came from its source. */
  readonly isKeptBeside?: true;
}

/** What became of one instance. `md5` and `sizeBytes` are `undefined` if the source was never asked. */
export interface CopyResult {
  readonly id: InstanceId;
  readonly md5: Md5 | undefined;
  readonly sizeBytes: number | undefined;
  readonly outcomes: readonly DestinationOutcome[];
}

/** Turns what was thrown into an outcome. An error of unknown meaning is a defect of ours and is thrown on. */
export function outcomeOfError(
  destination: Destination,
  error: unknown,
  at: 'source' | 'destination',
): DestinationOutcome {
  if (!isMirrorError(error)) throw error;
  return { destination, kind: kindOfError(error), error, at };
}

function kindOfError(error: MirrorError): OutcomeKind {
  if (error.code === 'conflict') return 'conflict';
  switch (error.disposition) {
    case 'skip':
      return 'vanished';
    case 'reject':
      return 'rejected';
    case 'retry':
    case 'wait':
    case 'halt':
      return 'failed';
  }
}

/** The one word for an instance with several destinations: the worst that happened, else whether anything was copied. */
export function worstKind(outcomes: readonly Pick<DestinationOutcome, 'kind'>[]): OutcomeKind {
  const order: readonly OutcomeKind[] = ['failed', 'rejected', 'conflict', 'vanished', 'copied', 'already-equal'];
  return order.find((kind) => outcomes.some((outcome) => outcome.kind === kind)) ?? 'already-equal';
}

/** The error for a destination that holds other bytes under the same id. */
export function conflictError(destination: Destination, id: InstanceId): MirrorError {
  return new MirrorError(
    'conflict',
    `${destination.store.name} holds instance ${id} with other bytes than the source; both were kept where they are. ` +
      'Compare the two and decide which is right; see "Conflicts" in the documentation.',
  );
}

/** A store that can be used no more. */
export interface Lost {
  /** `undefined`: the source. */
  readonly destination: Destination | undefined;
  readonly error: MirrorError;
  /** The instance that met it. */
  readonly id: InstanceId;
}
