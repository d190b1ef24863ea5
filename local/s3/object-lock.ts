/** Object lock: versions that cannot be deleted before their time. */
import type { IncomingHttpHeaders } from 'node:http';
import { z } from 'zod';
import type { Answer, BucketCall, ObjectCall } from './call.ts';
import { xmlAnswer } from './call.ts';
import { Failure } from './failure.ts';
import { header, receiveText } from './incoming-body.ts';
import type { BucketDocument, ObjectVersion, Retention } from './object-version.ts';
import { versionAt } from './versions.ts';
import { fromXml, toXml } from './xml.ts';

const modes = z.enum(['GOVERNANCE', 'COMPLIANCE']);
const dayMs = 24 * 60 * 60 * 1000;

/** @returns the lock that a new version gets from its request, or else from its bucket. */
export function lockOfNew(
  headers: IncomingHttpHeaders,
  settings: BucketDocument,
): Pick<ObjectVersion, 'retention' | 'hasLegalHold'> {
  const hasLegalHold = header(headers, 'x-amz-object-lock-legal-hold') === 'ON';
  const mode = modes.safeParse(header(headers, 'x-amz-object-lock-mode'));
  if ((mode.success || hasLegalHold) && !settings.hasObjectLock) {
    throw new Failure(400, 'InvalidRequest', 'Bucket is missing Object Lock Configuration');
  }
  if (mode.success) {
    const until = isoTime(header(headers, 'x-amz-object-lock-retain-until-date'));
    return { hasLegalHold, retention: { mode: mode.data, until } };
  }
  const { defaultRetention } = settings;
  if (defaultRetention === undefined) {
    return { hasLegalHold };
  }
  const until = new Date(Date.now() + defaultRetention.days * dayMs).toISOString();
  return { hasLegalHold, retention: { mode: defaultRetention.mode, until } };
}

/** Throws `AccessDenied` if a version may not be deleted yet. */
export function refuseLocked(version: ObjectVersion, headers: IncomingHttpHeaders): void {
  const { retention, hasLegalHold } = version;
  if (hasLegalHold || (retention !== undefined && isRetained(retention, headers))) {
    throw new Failure(403, 'AccessDenied', 'Access Denied because object protected by object lock.');
  }
}

function isRetained({ mode, until }: Retention, headers: IncomingHttpHeaders): boolean {
  const isBypassed = mode === 'GOVERNANCE' && header(headers, 'x-amz-bypass-governance-retention') === 'true';
  return !isBypassed && Date.parse(until) > Date.now();
}

export function getRetention(call: ObjectCall): Answer {
  const { retention } = versionAt(call);
  if (retention === undefined) {
    throw new Failure(404, 'NoSuchObjectLockConfiguration');
  }
  return xmlAnswer(toXml('Retention', { Mode: retention.mode, RetainUntilDate: retention.until }));
}

export async function putRetention(call: ObjectCall): Promise<Answer> {
  const schema = z.object({ Mode: modes, RetainUntilDate: z.string() });
  const wanted = fromXml(await receiveText(call.request), 'Retention', schema);
  const retention: Retention = { mode: wanted.Mode, until: isoTime(wanted.RetainUntilDate) };
  await changeVersion(call, (version) => {
    const isWeaker =
      version.retention !== undefined &&
      (Date.parse(retention.until) < Date.parse(version.retention.until) || retention.mode !== version.retention.mode);
    if (isWeaker) {
      refuseLocked({ ...version, hasLegalHold: false }, call.request.headers);
    }
    return { ...version, retention };
  });
  return { status: 200 };
}

export function getLegalHold(call: ObjectCall): Answer {
  return xmlAnswer(toXml('LegalHold', { Status: versionAt(call).hasLegalHold ? 'ON' : 'OFF' }));
}

export async function putLegalHold(call: ObjectCall): Promise<Answer> {
  const schema = z.object({ Status: z.enum(['ON', 'OFF']) });
  const { Status } = fromXml(await receiveText(call.request), 'LegalHold', schema);
  await changeVersion(call, (version) => ({ ...version, hasLegalHold: Status === 'ON' }));
  return { status: 200 };
}

export function getLockConfiguration({ bucket }: BucketCall): Answer {
  const { hasObjectLock, defaultRetention } = bucket.settings;
  if (!hasObjectLock) {
    throw new Failure(404, 'ObjectLockConfigurationNotFoundError');
  }
  const rule = defaultRetention && {
    DefaultRetention: { Mode: defaultRetention.mode, Days: defaultRetention.days },
  };
  return xmlAnswer(toXml('ObjectLockConfiguration', { ObjectLockEnabled: 'Enabled', Rule: rule }));
}

export async function putLockConfiguration({ bucket, request }: BucketCall): Promise<Answer> {
  const rule = z.object({ DefaultRetention: z.object({ Mode: modes, Days: z.coerce.number().int().positive() }) });
  const schema = z.object({ ObjectLockEnabled: z.literal('Enabled'), Rule: rule.optional() });
  const { Rule } = fromXml(await receiveText(request), 'ObjectLockConfiguration', schema);
  const { defaultRetention: _, ...settings } = bucket.settings;
  await bucket.changeSettings({
    ...settings,
    hasObjectLock: true,
    ...(Rule && { defaultRetention: { mode: Rule.DefaultRetention.Mode, days: Rule.DefaultRetention.Days } }),
  });
  return { status: 200 };
}

/** Changes the version that the request names, or the newest. */
async function changeVersion(call: ObjectCall, change: (version: ObjectVersion) => ObjectVersion): Promise<void> {
  if (!call.bucket.settings.hasObjectLock) {
    throw new Failure(400, 'InvalidRequest', 'Bucket is missing Object Lock Configuration');
  }
  const { versionId } = versionAt(call);
  await call.bucket.change(call.key, (versions) =>
    versions.map((version) => (version.versionId === versionId ? change(version) : version)),
  );
}

function isoTime(text: string): string {
  const time = new Date(text);
  if (Number.isNaN(time.getTime())) {
    throw new Failure(400, 'InvalidArgument', 'this is not a time');
  }
  return time.toISOString();
}
