/** Writing an instance to a server, and proving that the server holds it. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { MirrorError } from '../../errors.ts';
import { isOrthancId, type Md5 } from '../../identifiers.ts';
import type { CallOptions, InstanceBytes, InstanceIdentity, StoreOutcome } from '../store.ts';
import type { OrthancCapabilities } from './capabilities.ts';
import { md5In } from './dicom-attachment.ts';
import { exactBody } from './exact-body.ts';
import type { StatusCodes } from './failures.ts';
import type { OrthancClient } from './http-client.ts';
import { lookUpInstance } from './look-up-instance.ts';
import { openInstance } from './open-instance.ts';

/**
 * What Orthanc and proxies answer to `POST /instances`: 400 is no DICOM file, 404 a file without one of the UIDs
 * (`Inexistent tag`), 413 a body above the limit of the server or of a proxy.
 */
const uploadCodes: StatusCodes = { 400: 'refused', 404: 'refused', 413: 'refused' };

const answerSchema = z.union([
  z.looseObject({ ID: z.string().optional(), Status: z.string() }),
  // A body that looks like a ZIP is unpacked and answered with a list.
  z.array(z.unknown()),
]);

type Answer = z.output<typeof answerSchema>;

/** What the server says to have done. */
type Claim = 'stored' | 'held-before';

/**
 * POSTs an instance, checks what the server says about it, and then asks it for the hash of what it holds.
 * An unanswered POST throws `unreachable`, and may have stored: to repeat it is safe.
 */
export async function storeInstance(
  client: OrthancClient,
  capabilities: OrthancCapabilities,
  instance: InstanceIdentity,
  body: InstanceBytes,
  options: CallOptions,
): Promise<StoreOutcome> {
  const claim = claimOf(client.name, instance, await post(client, instance, body, options));
  const md5 = await heldMd5(client, capabilities, instance, options);
  if (md5 === instance.md5) return { kind: claim === 'stored' ? 'stored' : 'already-equal' };
  if (claim === 'held-before') return { kind: 'conflict', md5 };
  throw storedOtherBytes(client.name, instance);
}

async function post(
  client: OrthancClient,
  instance: InstanceIdentity,
  body: InstanceBytes,
  { signal }: CallOptions,
): Promise<Answer> {
  const { sizeBytes } = instance;
  const headers = { 'content-type': 'application/dicom' };
  const exact = exactBody(body, sizeBytes);
  try {
    return await client.callJson(
      {
        method: 'POST',
        path: '/instances',
        body: exact.body,
        sizeBytes,
        headers,
        signal,
        long: true,
        statusCodes: uploadCodes,
      },
      answerSchema,
    );
  } catch (error) {
    // A body that broke is the reason for the connection that broke.
    throw exact.failure() ?? error;
  }
}

/** @returns what a 200 claims; throws if it claims anything else than to hold this instance. */
function claimOf(name: string, instance: InstanceIdentity, answer: Answer): Claim {
  if (Array.isArray(answer)) {
    throw new MirrorError('refused', `${name} took the instance ${instance.id} for a ZIP archive`);
  }
  const { ID, Status } = answer;
  if (Status === 'FilteredOut' || ID === undefined || ID === '') {
    const what = 'a script or plugin there (ReceivedInstanceFilter) discards it';
    throw new MirrorError('filtered-out', `${name} did not store the instance ${instance.id}: ${what}`);
  }
  if (ID !== instance.id) {
    const other = isOrthancId(ID) ? `the id ${ID}` : 'another id';
    const what = 'it modifies what it receives, or reads the identifiers in another character set (DefaultEncoding)';
    throw new MirrorError('wrong-id', `${name} stored the instance ${instance.id} under ${other}: ${what}`);
  }
  if (Status === 'Success') return 'stored';
  if (Status === 'AlreadyStored') return 'held-before';
  throw new MirrorError('answer-malformed', `${name} answered an upload with a status that is not known`);
}

/** @returns the MD5 of what the server holds; reads it back and hashes it if the server keeps no hashes. */
async function heldMd5(
  client: OrthancClient,
  capabilities: OrthancCapabilities,
  { id }: InstanceIdentity,
  options: CallOptions,
): Promise<Md5 | undefined> {
  const held = await lookUpInstance(client, capabilities, id, options);
  if (held === undefined) {
    const what = 'does it recycle (MaximumStorageSize, MaximumPatientCount), or does a script delete?';
    throw new MirrorError('changed-meanwhile', `${client.name} took the instance ${id} and does not hold it: ${what}`);
  }
  return held.md5 ?? md5ReadBack(client, id, options);
}

async function md5ReadBack(
  client: OrthancClient,
  id: InstanceIdentity['id'],
  options: CallOptions,
): Promise<Md5 | undefined> {
  const hash = createHash('md5');
  const instance = await openInstance(client, id, options);
  for await (const chunk of instance.body) hash.update(chunk);
  return md5In(hash.digest('hex'));
}

function storedOtherBytes(name: string, { id, md5 }: InstanceIdentity): MirrorError {
  const what = `stored other bytes than those with the MD5 ${md5}: switch off IngestTranscoding and scripts that modify`;
  return new MirrorError('hash-wrong', `${name}, instance ${id}: ${what} what is received`);
}
