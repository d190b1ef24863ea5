/** What the inbox function does for one notification. */
import { recordImport } from '../core/deletions/imports.ts';
import { isMirrorError, type MirrorError } from '../core/errors.ts';
import type { InstanceId } from '../core/identifiers.ts';
import { parseArrivingKey } from '../core/inbox/inbox-keys.ts';
import { parseNotification } from '../core/inbox/notification.ts';
import { type Arrival, type Reception, receiveObject, refuseObject } from '../core/inbox/receive-object.ts';
import type { Delivery } from '../core/queue/deliveries.ts';
import { verdictOn } from '../core/queue/verdict.ts';
import type { S3Versions } from '../core/stores/archive/s3-versions.ts';
import { inParallel } from '../core/studies/in-parallel.ts';
import type { CloudMirror, Deployment } from './deployment.ts';
import { count } from './metrics-emitter.ts';
import { pauseIfHalted } from './pause-if-halted.ts';
import { log } from './telemetry.ts';

/** Records written at once. */
const recordsAtOnce = 16;

export interface InboxContext {
  readonly deployment: Deployment;
  readonly bucket: string;
  readonly inbox: S3Versions;
}

/** @returns the work on one notification; it throws the MirrorError that decides what becomes of the notification */
export function inboxWork(context: InboxContext): (delivery: Delivery, deadline: AbortSignal) => Promise<void> {
  return async (delivery, deadline) => {
    for (const version of parseNotification(delivery.body, context.bucket)) {
      const place = parseArrivingKey(version.key);
      if (place !== undefined) {
        await takeIn({ version, place }, delivery, context, deadline);
      }
    }
  };
}

async function takeIn(
  arrival: Arrival,
  delivery: Delivery,
  { deployment, inbox }: InboxContext,
  deadline: AbortSignal,
): Promise<void> {
  const { mirror } = arrival.place;
  if (!(mirror in deployment.configuration.mirrors)) {
    await refuseObject(arrival, { reason: 'There is no mirror of the name that the key has after new/.' }, inbox);
    log('warn', 'object refused', { code: 'unknown-mirror' });
    return;
  }
  try {
    const open = await deployment.mirror(mirror);
    await open.pause.throwIfInForce(mirror);
    const { destinations } = open;
    const onArrived = (ids: readonly InstanceId[]): Promise<void> => recordImports(ids, open);
    tell(mirror, await receiveObject(arrival, { inbox, destinations, onArrived, deadline }));
  } catch (error) {
    if (!isMirrorError(error)) {
      throw error;
    }
    await pauseIfHalted(mirror, error, deployment);
    await refuseOrThrow(error, arrival, delivery, { deployment, inbox });
  }
}

/** What cannot succeed by repeating, or was repeated often enough, is refused; anything else is thrown on. */
async function refuseOrThrow(
  error: MirrorError,
  arrival: Arrival,
  { receiveCount }: Delivery,
  { deployment, inbox }: Pick<InboxContext, 'deployment' | 'inbox'>,
): Promise<void> {
  const { mirror } = arrival.place;
  const verdict = verdictOn(error, receiveCount, deployment.deliveryLimits, 0);
  if (verdict.kind !== 'dead-letter') {
    count('InboxDelayed', 1, { mirror });
    throw error;
  }
  const { code, reason } = verdict;
  await refuseObject(arrival, { code, reason }, inbox);
  tell(mirror, { kind: 'refused', counts: {} }, error);
}

/** Remembers what did not come from the source; what the source holds too belongs to the mirror. */
async function recordImports(ids: readonly InstanceId[], { source, archive }: CloudMirror): Promise<void> {
  await inParallel([...new Set(ids)], recordsAtOnce, async (id) => {
    if ((await source.lookup(id)).length === 0) {
      await recordImport(archive.objects, { id, at: new Date() });
    }
  });
}

function tell(mirror: string, { kind, counts }: Reception, error?: MirrorError): void {
  count('InboxTaken', kind === 'done' ? 1 : 0, { mirror });
  count('InboxRefused', kind === 'refused' ? 1 : 0, { mirror });
  count('InboxStored', counts.stored ?? 0, { mirror });
  count('InboxAlreadyThere', counts['already-there'] ?? 0, { mirror });
  log(kind === 'refused' ? 'warn' : 'info', 'object handled', {
    mirror,
    outcome: kind,
    code: error?.code,
    stored: counts.stored,
    alreadyThere: counts['already-there'],
    notDicom: counts['not-dicom'],
    refused: counts.refused,
  });
}
