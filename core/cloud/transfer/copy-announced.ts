import type { CopyContext } from '../../copy/copy-context.ts';
import { copyInstance } from '../../copy/copy-instance.ts';
import { type CopyResult, outcomeOfError } from '../../copy/outcome.ts';
import { isMirrorError, type MirrorError } from '../../errors.ts';
import { asHalt } from '../../mirror/pause/store-away.ts';
import type { SourceReader } from '../../mirror/reader.ts';
import type { InstanceMessage } from '../queue/message.ts';
import type { MessageGate } from './message-gate.ts';

/** When the state of the mirror cannot be read, its messages come back after this. */
const stateAwayMs = 60_000;

type AnnouncedInstance = Pick<InstanceMessage, 'id' | 'sizeBytes'>;

export interface AnnouncedContext extends CopyContext {
  /** See {@link SourceReader.selects}. */
  readonly selects?: SourceReader['selects'];
  /** May change what became of the instance before it is judged, such as resolving a conflict. */
  readonly finish?: (result: CopyResult) => Promise<CopyResult>;
}

export interface CopiedAnnouncement {
  /** `undefined` if no destination could be served now. */
  readonly result: CopyResult | undefined;
  /** What decides about the message; `undefined` if it is done. */
  readonly error: MirrorError | undefined;
}

/** Copies the instance that a message names to the destinations that can be used now. */
export async function copyAnnounced(
  message: AnnouncedInstance,
  gate: MessageGate,
  context: AnnouncedContext,
): Promise<CopiedAnnouncement> {
  try {
    return await gate.inTurn(message.id, () => copyNow(message, gate, context));
  } catch (error) {
    if (!isMirrorError(error)) throw error;
    // The gate threw, which reads and writes the state of the mirror, not the copy: the message is not to blame.
    return { result: undefined, error: asHalt(error, stateAwayMs) };
  }
}

async function copyNow(
  { id, sizeBytes }: AnnouncedInstance,
  gate: MessageGate,
  context: AnnouncedContext,
): Promise<CopiedAnnouncement> {
  const admission = await gate.admit(id);
  const request = { id, sizeBytes, lacking: [], undecided: admission.serve };
  if (admission.serve.length === 0) return { result: undefined, error: admission.waitsFor };
  try {
    if ((await context.selects?.(id, { signal: context.signal })) === false)
      return { result: undefined, error: undefined };
  } catch (error) {
    const outcomes = admission.serve.map((destination) => outcomeOfError(destination, error, 'source'));
    return {
      result: undefined,
      error: await gate.conclude(id, admission, { id, md5: undefined, sizeBytes, outcomes }),
    };
  }
  const result = await finished(await copyInstance(request, context), context);
  return { result, error: await gate.conclude(id, admission, result) };
}

async function finished(result: CopyResult, { finish }: AnnouncedContext): Promise<CopyResult> {
  return finish === undefined ? result : finish(result);
}
