/**
 * The keys of an inbox bucket. Pure. They are the names that the senders gave and may hold names of patients: they stay
 * in the bucket and in its notifications, and go to no log, metric or error message.
 *
 *     new/<mirror>/<name>                    put there by whoever brings files
 *     done/<mirror>/<name>                   everything in it arrived
 *     refused/<mirror>/<name>                it, or something in it, cannot be taken as it is
 *     refused/<mirror>/<name>.reason.json    why
 */
import { createHash } from 'node:crypto';

export const inboxFolders = { arriving: 'new/', done: 'done/', refused: 'refused/' } as const;

const reasonExtension = '.reason.json';
/** S3 knows no longer ones, in UTF-8. */
const largestKeyBytes = 1024;

/** What an object of the inbox is for. */
export interface InboxPlace {
  /** Name of a mirror, configured or not. */
  readonly mirror: string;
  /** What the sender called it; may hold `/`. */
  readonly name: string;
}

/** @returns the place of a key below `new/`; `undefined` for any other, and for folders. */
export function parseArrivingKey(key: string): InboxPlace | undefined {
  const [, mirror, name] = /^new\/([^/]+)\/(.*[^/])$/s.exec(key) ?? [];
  return mirror === undefined || name === undefined ? undefined : { mirror, name };
}

export function doneKey(place: InboxPlace): string {
  return keyBelow(inboxFolders.done, place);
}

export function refusedKey(place: InboxPlace): string {
  return keyBelow(inboxFolders.refused, place);
}

export function reasonKey(place: InboxPlace): string {
  return refusedKey(place) + reasonExtension;
}

/** A name that would be too long in its new folder gives way to its hash. */
function keyBelow(folder: string, { mirror, name }: InboxPlace): string {
  const key = `${folder}${mirror}/${name}`;
  return Buffer.byteLength(key) + reasonExtension.length <= largestKeyBytes
    ? key
    : `${folder}${mirror}/${createHash('sha256').update(name).digest('hex')}`;
}
