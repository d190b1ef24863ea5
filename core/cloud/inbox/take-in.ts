/** What becomes of an object that a notification tells of: it is taken in, refused, or left for the next delivery. */

import type { OpenMirror } from '../../config/open.ts';
import { isMirrorError, MirrorError } from '../../errors.ts';
import type { Pause } from '../../mirror/pause/pause.ts';
import { pauseOn } from '../../mirror/pause/pause-state.ts';
import { haltIfAway } from '../../mirror/pause/store-away.ts';
import type { Store } from '../../stores/store.ts';
import type { Delivery } from '../queue/deliveries.ts';
import { type DeliveryLimits, verdictOn } from '../queue/verdict.ts';
import { parseArrivingKey } from './inbox-keys.ts';
import { parseNotification } from './notification.ts';
import { type Arrival, type InboxBucket, type Reception, receiveObject, refuseObject } from './receive-object.ts';

/** What is needed of a mirror. */
type InboxMirror = Pick<OpenMirror, 'destinations'> & { readonly source: Store; readonly pause: Pause };

export interface InboxContext {
  /** Name of its bucket, in which notifications must lie. */
  readonly bucket: string;
  readonly inbox: InboxBucket;
  /** Opens a mirror, or gives the open one. */
  readonly mirror: (name: string) => Promise<InboxMirror>;
  readonly limits: DeliveryLimits;
  /** How long what is not an object's own fault waits, in milliseconds. */
  readonly waitMs: number;
  /** Is told of each object that was handled. */
  readonly onHandled: (mirror: string, reception: Reception, error?: MirrorError) => void;
  /** Is told of each that is left where it is. */
  readonly onDelayed: (mirror: string) => void;
}

/**
 * @returns the work on one notification, from the queue of one mirror; it throws the MirrorError that decides what becomes
 * of the notification
 */
export function takeInObjects(
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
  context: InboxContext,
  deadline: AbortSignal,
): Promise<void> {
  const { mirror } = arrival.place;
  const { inbox, waitMs } = context;
  try {
    const open = await context.mirror(mirror);
    await throwIfPaused(mirror, open, waitMs);
    const { destinations } = open;
    const reception = await receiveObject(arrival, { inbox, destinations, deadline }).catch(async (error: unknown) => {
      throw isMirrorError(error) ? await haltIfAway(error, storesOf(open), waitMs) : error;
    });
    context.onHandled(mirror, reception);
  } catch (error) {
    if (!isMirrorError(error)) {
      throw error;
    }
    await refuseOrThrow(error, arrival, delivery, context);
  }
}

/** An object waits without paying for it while any store of its mirror is paused. */
async function throwIfPaused(mirror: string, open: InboxMirror, waitMs: number): Promise<void> {
  const state = await open.pause.read();
  const paused = storesOf(open)
    .map(({ name }) => pauseOn(state, name))
    .find((found) => found !== undefined);
  if (paused !== undefined) {
    throw new MirrorError('paused', `The mirror ${mirror} waits (${paused.code}): ${paused.reason}`, {
      retryAfterMs: waitMs,
    });
  }
}

function storesOf({ source, destinations }: InboxMirror): Store[] {
  return [source, ...destinations.map(({ store }) => store)];
}

/** What cannot succeed by repeating, or was repeated often enough, is refused; anything else is thrown on. */
async function refuseOrThrow(
  error: MirrorError,
  arrival: Arrival,
  { receiveCount }: Delivery,
  { inbox, limits, onHandled, onDelayed }: InboxContext,
): Promise<void> {
  const { mirror } = arrival.place;
  const verdict = verdictOn(error, receiveCount, limits, 0);
  if (verdict.kind !== 'dead-letter') {
    onDelayed(mirror);
    throw error;
  }
  const { code, reason } = verdict;
  await refuseObject(arrival, { code, reason }, inbox);
  onHandled(mirror, { kind: 'refused', counts: {} }, error);
}
