/** Writing an instance to a server, and proving that the server holds it. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { isMirrorError, MirrorError } from '../../errors.ts';
import { type InstanceId, isInstanceId, type Md5 } from '../../identifiers.ts';
import type { CallOptions, InstanceBytes, InstanceIdentity, InventoryEntry, StoreOutcome } from '../store.ts';
import { mostBytes, Pace } from './bounds.ts';
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
 * A copy that is not what was sent is removed again. An unanswered POST throws `unreachable`, and may have stored: to repeat it is safe.
 */
export async function storeInstance(
  client: OrthancClient,
  capabilities: OrthancCapabilities,
  instance: InstanceIdentity,
  body: InstanceBytes,
  options: CallOptions,
): Promise<StoreOutcome> {
  const answer = await post(client, instance, body, options);
  const claim = await claimOf(client, instance, answer);
  const held = await heldNow(client, capabilities, instance, options);
  const md5 = held.md5 ?? (await md5ReadBack(client, instance, options));
  if (md5 === instance.md5) return { kind: claim === 'stored' ? 'stored' : 'already-equal' };
  if (claim === 'held-before') return { kind: 'conflict', md5 };
  throw await otherBytes(client, capabilities, instance, held);
}

async function post(
  client: OrthancClient,
  instance: InstanceIdentity,
  body: InstanceBytes,
  { signal }: CallOptions,
): Promise<Answer> {
  const { sizeBytes } = instance;
  const headers = { 'content-type': 'application/dicom' };
  const exact = exactBody(body, sizeBytes, new Pace(client.name, client.limits));
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
        longest: mostBytes.text,
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
async function claimOf(client: OrthancClient, { id }: InstanceIdentity, answer: Answer): Promise<Claim> {
  const { name } = client;
  if (Array.isArray(answer)) throw new MirrorError('refused', `${name} took the instance ${id} for a ZIP archive`);
  const { ID, Status } = answer;
  if (Status === 'FilteredOut' || ID === undefined || ID === '') {
    const what = 'a script or plugin there (ReceivedInstanceFilter) discards it';
    throw new MirrorError('filtered-out', `${name} did not store the instance ${id}: ${what}`);
  }
  if (ID !== id) {
    const removal = Status === 'Success' && isInstanceId(ID) ? await discard(client, ID) : 'it was there before';
    const what = 'it modifies what it receives, or reads the identifiers in another character set (DefaultEncoding)';
    throw new MirrorError('wrong-id', `${name} stored the instance ${id} under another id: ${what}; ${removal}`);
  }
  if (Status === 'Success') return 'stored';
  if (Status === 'AlreadyStored') return 'held-before';
  throw new MirrorError('answer-malformed', `${name} answered an upload with a status that is not known`);
}

/** @returns what the server holds under the id now. */
async function heldNow(
  client: OrthancClient,
  capabilities: OrthancCapabilities,
  { id }: InstanceIdentity,
  options: CallOptions,
): Promise<InventoryEntry> {
  const held = await lookUpInstance(client, capabilities, id, options);
  if (held !== undefined) return held;
  const what = 'does it recycle (MaximumStorageSize, MaximumPatientCount), or does a script delete?';
  throw new MirrorError('changed-meanwhile', `${client.name} took the instance ${id} and does not hold it: ${what}`);
}

/** The proof of a server that keeps no hashes (`StoreMD5ForAttachments` off): read it all back, if the size is right. */
async function md5ReadBack(
  client: OrthancClient,
  { id, sizeBytes }: InstanceIdentity,
  options: CallOptions,
): Promise<Md5 | undefined> {
  const hash = createHash('md5');
  const instance = await openInstance(client, id, options);
  if (instance.sizeBytes !== sizeBytes) {
    instance.cancel();
    return undefined;
  }
  for await (const chunk of instance.body) hash.update(chunk);
  return md5In(hash.digest('hex'));
}

/**
 * The server stored other bytes than were sent. A server that transcodes or modifies will do so again; bytes of the
 * same size were rather damaged on the way, unless the server tells (1.11.0) that it transcodes.
 */
async function otherBytes(
  client: OrthancClient,
  { ingestTranscoding }: OrthancCapabilities,
  { id, md5, sizeBytes }: InstanceIdentity,
  held: InventoryEntry,
): Promise<MirrorError> {
  const damaged = held.sizeBytes === sizeBytes && ingestTranscoding === undefined;
  const why = 'switch off IngestTranscoding and scripts there that modify what is received';
  const what = `${client.name} stored other bytes of the instance ${id} than those with the MD5 ${md5}`;
  const removal = await discard(client, id);
  return damaged
    ? new MirrorError('hash-mismatch', `${what}: they were damaged on the way, or else ${why}; ${removal}`)
    : new MirrorError('hash-wrong', `${what}: ${why}; ${removal}`);
}

/**
 * Removes a copy that turned out wrong, so that nothing unproven stays. What the server answered `Success` for is what
 * we sent: nothing of anybody else's is lost. Done even when the caller gives up. @returns what became of it, in words.
 */
async function discard(client: OrthancClient, id: InstanceId): Promise<string> {
  try {
    await client.delete(`/instances/${id}`);
    return 'that copy was removed again';
  } catch (error) {
    if (isMirrorError(error, 'vanished')) return 'that copy is gone again';
    return `that copy (${id}) could not be removed`;
  }
}
