/** What the inbox function does for one notification. */

import { parseArrivingKey } from '../core/cloud/inbox/inbox-keys.ts';
import { parseNotification } from '../core/cloud/inbox/notification.ts';
import { type Arrival, type Reception, receiveObject, refuseObject } from '../core/cloud/inbox/receive-object.ts';
import type { Delivery } from '../core/cloud/queue/deliveries.ts';
import { verdictOn } from '../core/cloud/queue/verdict.ts';
import { isMirrorError, MirrorError } from '../core/errors.ts';
import { holdOn } from '../core/mirror/pause/pause-state.ts';
import { asHalt, looksAway, whyAway } from '../core/mirror/pause/store-away.ts';
import type { S3Versions } from '../core/stores/archive/s3-versions.ts';
import type { CloudMirror, Deployment } from './deployment.ts';
import { count } from './metrics-emitter.ts';
import { log } from './telemetry.ts';

export interface InboxContext {
  readonly deployment: Deployment;
  readonly bucket: string;
  readonly inbox: S3Versions;
}

/**
 * @returns the work on one notification, from the queue of one mirror; it throws the MirrorError that decides what becomes
 * of the notification
 */
export function inboxWork(
  context: InboxContext,
): (delivery: Delivery, mirror: string, deadline: AbortSignal) => Promise<void> {
  return async (delivery, mirror, deadline) => {
    const arrivals = parseNotification(delivery.body, context.bucket).flatMap((version) => {
      const place = parseArrivingKey(version.key);
      return place === undefined ? [] : [{ version, place }];
    });
    if (arrivals.some(({ place }) => place.mirror !== mirror)) {
      throw new MirrorError(
        'malformed-message',
        'The message tells of an object of another mirror than its queue; find out who writes to the queue.',
      );
    }
    for (const arrival of arrivals) await takeIn(arrival, delivery, context, deadline);
  };
}

async function takeIn(
  arrival: Arrival,
  delivery: Delivery,
  { deployment, inbox }: InboxContext,
  deadline: AbortSignal,
): Promise<void> {
  const { mirror } = arrival.place;
  const waitMs = deployment.configuration.cloud.transfer.pauseSeconds * 1000;
  try {
    const open = await deployment.mirror(mirror);
    await throwIfHeld(mirror, open, waitMs);
    const { destinations } = open;
    const reception = await receiveObject(arrival, { inbox, destinations, deadline }).catch(async (error: unknown) => {
      throw isMirrorError(error) && (await isAnyAway(error, open)) ? asHalt(error, waitMs) : error;
    });
    tell(mirror, reception);
  } catch (error) {
    if (!isMirrorError(error)) {
      throw error;
    }
    await refuseOrThrow(error, arrival, delivery, { deployment, inbox });
  }
}

/** An object waits without paying for it while any store of its mirror is left alone. */
async function throwIfHeld(
  mirror: string,
  { source, destinations, pause }: CloudMirror,
  waitMs: number,
): Promise<void> {
  const state = await pause.read();
  const stores = [source, ...destinations.map(({ store }) => store)];
  const hold = stores.map(({ name }) => holdOn(state, name)).find((found) => found !== undefined);
  if (hold !== undefined) {
    throw new MirrorError('paused', `The mirror ${mirror} waits (${hold.code}): ${hold.reason}`, {
      retryAfterMs: waitMs,
    });
  }
}

/** Whether an error is due to a store that does not answer at all, so that the object is not to blame. */
async function isAnyAway(error: MirrorError, { source, destinations }: CloudMirror): Promise<boolean> {
  if (!looksAway(error)) {
    return false;
  }
  const stores = [source, ...destinations.map(({ store }) => store)];
  const away = await Promise.all(stores.map((store) => whyAway(store, {})));
  return away.some((reason) => reason !== undefined);
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
