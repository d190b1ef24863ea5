import type { RestoredSidecar } from '../../archive-life/restore/restore-sidecars.ts';
import type { ByteBudget } from '../../copy/byte-budget.ts';
import type { DestinationOutcome } from '../../copy/outcome.ts';
import type { OrthancId } from '../../identifiers.ts';
import type { SidecarFinding } from '../../sidecars/sidecar-state.ts';
import type { InstanceMessage, RestoreMessage } from '../queue/message.ts';

/** Is told what became of what messages name, destination by destination. */
export interface TransferObserver {
  /** @param sizeBytes of the instance, as far as it is known */
  onInstance(mirror: string, id: OrthancId, outcome: DestinationOutcome, sizeBytes: number): void;
  onSidecar(mirror: string, studyId: OrthancId, outcome: DestinationOutcome): void;
  /** An instance of a restore. */
  onRestored(mirror: string, id: OrthancId, outcome: DestinationOutcome, sizeBytes: number): void;
  /** A sidecar of a restore. */
  onSidecarRestored(mirror: string, server: string, restored: RestoredSidecar): void;
  onFinding(mirror: string, finding: SidecarFinding): void;
}

/** What the messages of a batch are worked on with. */
export interface TransferContext {
  /** Aborts when the time of the batch is over. */
  readonly signal: AbortSignal;
  readonly budget: ByteBudget;
  /** Larger instances are not worked on here. */
  readonly largestBytes: number;
  /** Sends a message to where large instances are worked on. */
  readonly forward: (message: InstanceMessage | RestoreMessage) => Promise<void>;
  /** How long a message waits for what is not its own fault, in milliseconds. */
  readonly waitMs: number;
  readonly observer: TransferObserver;
}
