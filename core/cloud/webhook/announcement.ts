/** What a request to the webhook says, and what follows from it. Ids only: nothing in here can name a place. */
import * as z from 'zod';
import { type InstanceId, isInstanceId, isOrthancId, type OrthancId, resourceLevels } from '../../identifiers.ts';
import { jsonBoundsOf, parseJson } from '../../json.ts';

/** Most events in one request; the hooks send at most as many. */
export const maxEvents = 500;
/** Largest body of a request. An event is at most 106 bytes, so that {@link maxEvents} of them fit. */
export const maxBodyBytes = 64 * 1024;

const eventSchema = z.strictObject({
  kind: z.enum(['stored', 'updated', 'stable', 'deleted']),
  level: z.enum(resourceLevels),
  id: z.custom<OrthancId>(isOrthancId),
});
/** Something that happened to one resource of the source. */
export type ResourceEvent = z.output<typeof eventSchema>;

const requestSchema = z.strictObject({
  v: z.literal(1),
  /** Checked against the configured names, not here. */
  mirror: z.string().max(32),
  events: z.array(eventSchema).min(1).max(maxEvents),
});
export type WebhookRequest = z.output<typeof requestSchema>;

/** What is to be looked at, for the queue. A hint, not a fact: whoever works on it asks the source. */
export type WebhookAnnouncement =
  /** An instance whose bytes are new. */
  | { readonly kind: 'instance'; readonly id: InstanceId }
  /** A study whose document may have changed. */
  | { readonly kind: 'study'; readonly id: OrthancId }
  /** Metadata or attachments of another level changed; the document that tells them must be looked up. */
  | { readonly kind: 'resource'; readonly level: 'patients' | 'series' | 'instances'; readonly id: OrthancId }
  /** The source says that it deleted this; order relative to other announcements is not told. */
  | { readonly kind: 'deletion'; readonly level: ResourceEvent['level']; readonly id: OrthancId };

export type ParsedBody =
  | { readonly ok: true; readonly request: WebhookRequest }
  /** The first field that is wrong, e.g. `events.3.id`, or `body`; never what it held. */
  | { readonly ok: false; readonly field: string };

/** Parses the body of a request, which must be UTF-8 JSON of exactly the known fields. */
export function parseBody(body: Uint8Array): ParsedBody {
  const parsed = parseJson(textOf(body), jsonBoundsOf(maxBodyBytes));
  const result = requestSchema.safeParse(parsed.ok ? parsed.value : undefined);
  if (result.success) return { ok: true, request: result.data };
  // The path of an issue holds names of the schema and indexes only: an unknown key is reported at its parent.
  const path = result.error.issues[0]?.path.join('.') ?? '';
  return { ok: false, field: path === '' ? 'body' : path };
}

/** @returns an empty text, which is no JSON, for bytes that are no UTF-8 */
function textOf(body: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    return '';
  }
}

/** @returns what follows from the events, each thing once, in their order. */
export function announcementsOf(events: readonly ResourceEvent[]): readonly WebhookAnnouncement[] {
  const announcements = events.flatMap(announcementsOfEvent);
  return [...new Map(announcements.map((announcement) => [JSON.stringify(announcement), announcement])).values()];
}

function announcementsOfEvent({ kind, level, id }: ResourceEvent): readonly WebhookAnnouncement[] {
  if (kind === 'deleted') return [{ kind: 'deletion', level, id }];
  if (level === 'studies') return [{ kind: 'study', id }];
  if (kind === 'stored') return level === 'instances' && isInstanceId(id) ? [{ kind: 'instance', id }] : [];
  // That nothing arrived for a while adds nothing to what was announced of a patient, series or instance before.
  return kind === 'updated' ? [{ kind: 'resource', level, id }] : [];
}
