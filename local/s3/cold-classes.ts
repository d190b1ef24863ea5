/** Storage classes from which nothing is read before it was asked for and hours have passed. */
import { z } from 'zod';
import type { Answer, ObjectCall } from './call.ts';
import { Failure } from './failure.ts';
import { receiveText } from './incoming-body.ts';
import type { ObjectVersion } from './object-version.ts';
import { versionAt } from './versions.ts';
import { fromXml } from './xml.ts';

const coldClasses = ['GLACIER', 'DEEP_ARCHIVE'];
const msPerHour = 3_600_000;
/** Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/restoring-objects-retrieval-options.html */
const hoursOfTier: Readonly<Record<string, number>> = { Standard: 12, Bulk: 48 };

export type Thawable = Pick<ObjectVersion, 'storageClass' | 'thaw'>;

function isCold({ storageClass = 'STANDARD' }: Thawable): boolean {
  return coldClasses.includes(storageClass);
}

/** Throws `InvalidObjectState` for what is cold, and has no thawed copy now. */
export function requireThawed(version: Thawable, nowMs: number): void {
  const { thaw } = version;
  const isThere = thaw !== undefined && Date.parse(thaw.readyAt) <= nowMs && nowMs < Date.parse(thaw.until);
  if (isCold(version) && !isThere) throw new Failure(403, 'InvalidObjectState');
}

export function coldHeaders({ storageClass, thaw }: Thawable, nowMs: number): Record<string, string> {
  if (storageClass === undefined) return {};
  const state =
    thaw === undefined || nowMs >= Date.parse(thaw.until)
      ? undefined
      : nowMs < Date.parse(thaw.readyAt)
        ? 'ongoing-request="true"'
        : `ongoing-request="false", expiry-date="${new Date(thaw.until).toUTCString()}"`;
  return { 'x-amz-storage-class': storageClass, ...(state !== undefined && { 'x-amz-restore': state }) };
}

const requestSchema = z.object({
  Days: z.coerce.number().int().positive(),
  GlacierJobParameters: z.object({ Tier: z.string() }).optional(),
});

/** Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_RestoreObject.html */
export async function restoreObject(call: ObjectCall): Promise<Answer> {
  const { Days, GlacierJobParameters } = fromXml(await receiveText(call.request), 'RestoreRequest', requestSchema);
  const nowMs = call.now().getTime();
  const { versionId } = versionAt(call);
  const tier = GlacierJobParameters?.Tier ?? 'Standard';
  let status = 202;
  await call.bucket.change(call.key, (versions) =>
    versions.map((version) => {
      if (version.versionId !== versionId) return version;
      const answer = thawing(version, { nowMs, days: Days, tier });
      status = answer.status;
      return { ...version, thaw: answer.thaw };
    }),
  );
  return { status };
}

/** How a request for a copy for so many days is answered: 202 if one is made, 200 if one is there and stays longer. */
export function thawing(
  version: Thawable,
  { nowMs, days, tier }: { readonly nowMs: number; readonly days: number; readonly tier: string },
): { readonly status: 200 | 202; readonly thaw: NonNullable<Thawable['thaw']> } {
  const hours = hoursOfTier[tier];
  if (hours === undefined) throw new Failure(400, 'MalformedXML');
  if (!isCold(version)) throw new Failure(403, 'InvalidObjectState');
  const { thaw } = version;
  const isKept = thaw !== undefined && nowMs < Date.parse(thaw.until);
  if (isKept && nowMs < Date.parse(thaw.readyAt)) throw new Failure(409, 'RestoreAlreadyInProgress');
  const readyMs = isKept ? Date.parse(thaw.readyAt) : nowMs + hours * msPerHour;
  const until = new Date(Math.max(readyMs, nowMs) + days * 24 * msPerHour).toISOString();
  return { status: isKept ? 200 : 202, thaw: { readyAt: new Date(readyMs).toISOString(), until } };
}
