/** Writing an instance to a server without touching what is the server's own, and proving that the server holds it. */
import * as z from 'zod';
import { isMirrorError, MirrorError } from '../../errors.ts';
import { type InstanceId, isInstanceId, type Md5 } from '../../identifiers.ts';
import { md5OfOpened } from '../md5-read-back.ts';
import type { InstanceBytes, InstanceIdentity, InventoryEntry, StoreOptions, StoreOutcome } from '../store.ts';
import { mostBytes, Pace } from './bounds.ts';
import type { OrthancCapabilities } from './capabilities.ts';
import { md5In, md5Path } from './dicom-attachment.ts';
import { exactBody } from './exact-body.ts';
import type { StatusCodes } from './failures.ts';
import type { OrthancClient } from './http-client.ts';
import { type CheckedId, type IdCheck, otherCharacterSet } from './id-check.ts';
import { lookIntoBody } from './look-into-body.ts';
import { lookUpInstance } from './look-up-instance.ts';
import { lostInstance } from './lost-instance.ts';
import { openInstance } from './open-instance.ts';
import type { OverwriteCheck } from './overwrite-check.ts';

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

/** The server that an instance is written to. */
export interface ReceivingServer {
  readonly client: OrthancClient;
  readonly capabilities: OrthancCapabilities;
  readonly ids: IdCheck;
  readonly overwriting: OverwriteCheck;
}

/**
 * Computes the id that the server will give, asks what it holds where a POST could replace that, POSTs the instance and
 * asks for the hash of what it holds right behind that, and checks what the server says about it; where the answer is not the
 * right hash, it asks once more. Nothing is sent if the id would be another
 * one, or the server holds other bytes. A copy that is not what was sent is removed again, but only if it is proven that
 * nothing was there before. An unanswered POST throws `unreachable`, and may have stored: to repeat it is safe.
 */
export async function storeInstance(
  server: ReceivingServer,
  instance: InstanceIdentity,
  body: InstanceBytes,
  options: StoreOptions,
): Promise<StoreOutcome> {
  const examined = await lookIntoBody(body);
  try {
    const expected = await server.ids.check(instance.id, examined.elements, options);
    await requireAbsentUnderOtherIds(server, instance.id, expected, options);
    const before = await heldBefore(server, instance.id, options);
    if (before !== undefined) return await outcomeOf(server, instance, before, 'held-before', options);
    const send = () => sendAndProve(server, { instance, body: examined.body, expected }, options);
    const outcome = await send();
    const wasAsked = options.isAbsent !== true && outcome.kind === 'stored';
    if (wasAsked && examined.body instanceof Uint8Array) {
      await server.overwriting.learn(server.capabilities, async () => (await send()).kind === 'already-equal');
    }
    return outcome;
  } finally {
    examined.release();
  }
}

interface Upload {
  readonly instance: InstanceIdentity;
  readonly body: InstanceBytes;
  readonly expected: CheckedId;
}

async function sendAndProve(
  server: ReceivingServer,
  { instance, body, expected }: Upload,
  options: StoreOptions,
): Promise<StoreOutcome> {
  const { value: answer, behind } = await post(server.client, instance, body, options);
  const claim = await claimOf(server.client, instance.id, expected, answer);
  // Anything else than the right hash may be what was so before the upload.
  const isProven = md5In(await behind) === instance.md5;
  const held = isProven ? instance : await heldNow(server, instance.id, options);
  return outcomeOf(server, instance, held, claim, options);
}

/**
 * Where it is not certain which id the server will give, it must hold the instance under none of those that are possible:
 * what it gave one of them to before is its own.
 */
async function requireAbsentUnderOtherIds(
  { client, capabilities }: ReceivingServer,
  id: InstanceId,
  expected: CheckedId,
  options: StoreOptions,
): Promise<void> {
  for (const other of possibleIds(expected)) {
    if (other === id || (await lookUpInstance(client, capabilities, other, options)) === undefined) continue;
    const why = otherCharacterSet(id, expected.elements);
    throw new MirrorError('wrong-id', `${client.name} holds instance ${id} as ${other}: ${why}`);
  }
}

function possibleIds({ id, otherIds, isCertain }: CheckedId): readonly InstanceId[] {
  return isCertain ? [] : [id, ...otherIds];
}

/**
 * What the server holds already, where it does not keep that by itself: an overwriting server replaces it by whatever is
 * sent, and drops what is attached to it.
 */
async function heldBefore(
  { client, capabilities, overwriting }: ReceivingServer,
  id: InstanceId,
  options: StoreOptions,
): Promise<InventoryEntry | undefined> {
  if (options.isAbsent === true || overwriting.keeps(capabilities)) return undefined;
  return lookUpInstance(client, capabilities, id, options);
}

/** What is proven now that the server holds something under the id. */
async function outcomeOf(
  server: ReceivingServer,
  instance: InstanceIdentity,
  held: InventoryEntry,
  claim: Claim,
  options: StoreOptions,
): Promise<StoreOutcome> {
  const md5 = held.md5 ?? (await md5HeldBy(server.client, instance, options));
  if (md5 === instance.md5) return { kind: claim === 'stored' ? 'stored' : 'already-equal' };
  if (claim === 'held-before') return { kind: 'conflict', md5 };
  throw await otherBytes(server, instance, held);
}

/** The proof of a server that keeps no hashes (`StoreMD5ForAttachments` off): read it all back, if the size is right. */
async function md5HeldBy(
  client: OrthancClient,
  { id, sizeBytes }: InstanceIdentity,
  options: StoreOptions,
): Promise<Md5 | undefined> {
  const opened = await openInstance(client, id, options);
  if (opened.sizeBytes === sizeBytes) return md5OfOpened(opened);
  opened.cancel();
  return undefined;
}

async function post(
  client: OrthancClient,
  instance: InstanceIdentity,
  body: InstanceBytes,
  { signal }: StoreOptions,
): Promise<{ readonly value: Answer; readonly behind: Promise<string | undefined> }> {
  const { sizeBytes } = instance;
  const headers = { 'content-type': 'application/dicom' };
  const exact = exactBody(body, sizeBytes, new Pace(client.name, client.limits));
  try {
    return await client.callJsonAndAsk(
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
      md5Path(instance.id),
    );
  } catch (error) {
    // A body that broke is the reason for the connection that broke.
    throw exact.failure() ?? error;
  }
}

/** @returns what a 200 claims; throws if it claims anything else than to hold this instance. */
async function claimOf(client: OrthancClient, id: InstanceId, expected: CheckedId, answer: Answer): Promise<Claim> {
  const { name } = client;
  if (Array.isArray(answer)) throw new MirrorError('refused', `${name} took the instance ${id} for a ZIP archive`);
  const { ID, Status } = answer;
  if (Status === 'FilteredOut' || ID === undefined || ID === '') {
    const what = 'a script or plugin there (ReceivedInstanceFilter) discards it';
    throw new MirrorError('filtered-out', `${name} did not store the instance ${id}: ${what}`);
  }
  if (ID !== id) throw await otherId(client, id, expected, { id: ID, isNew: Status === 'Success' });
  if (Status === 'Success') return 'stored';
  if (Status === 'AlreadyStored') return 'held-before';
  throw new MirrorError('answer-malformed', `${name} answered an upload with a status that is not known`);
}

/**
 * The server gave an instance another id than was computed. Only an id that it was asked for before, and did not know, is
 * proven to be a copy of ours; anything else there may have been its own and is left. A server that changes plain
 * identifiers changes those of every instance, so that nothing more may be sent to it.
 */
async function otherId(
  client: OrthancClient,
  id: InstanceId,
  expected: CheckedId,
  stored: { readonly id: string; readonly isNew: boolean },
): Promise<MirrorError> {
  const said = `${client.name} stored instance ${id} as ${isInstanceId(stored.id) ? stored.id : 'something that is no id'}`;
  if (expected.isCertain && !expected.dependsOnEncoding) {
    const why = 'it changes the identifiers of what it receives (a script or a plugin, ReceivedInstanceCallback)';
    const hint = 'Look whether that one is wanted there, switch that off, and run again';
    const text = `${said}: ${why}; nothing was deleted and nothing more is sent. ${hint}`;
    return new MirrorError('wrong-id', text, { disposition: 'halt' });
  }
  const isOurs = stored.isNew && isInstanceId(stored.id) && possibleIds(expected).includes(stored.id);
  const rest = isOurs ? await discard(client, stored.id) : 'it was left there, because it may have been there before';
  return new MirrorError('wrong-id', `${said}: it reads its PatientID in another character set; ${rest}`);
}

/** @returns what the server holds under the id now. */
async function heldNow(
  { client, capabilities }: ReceivingServer,
  id: InstanceId,
  options: StoreOptions,
): Promise<InventoryEntry> {
  const held = await lookUpInstance(client, capabilities, id, options);
  if (held !== undefined) return held;
  throw lostInstance(client.name, id, capabilities);
}

/**
 * The server stored other bytes than were sent. A server that transcodes or modifies will do so again; bytes of the
 * same size were rather damaged on the way, unless the server tells (1.11.0) that it transcodes. What it holds is ours: it
 * said `Success`, and either does not overwrite or held nothing just before.
 */
async function otherBytes(
  { client, capabilities: { ingestTranscoding } }: ReceivingServer,
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
 * Removes a copy that turned out wrong and that is proven to be ours, so that nothing unproven stays. Done even when the
 * caller gives up. @returns what became of it, in words.
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
