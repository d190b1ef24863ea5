import { createHash } from 'node:crypto';
import { IdentifierReader } from '../dicom/identifier-reader.ts';
import type { Md5 } from '../identifiers.ts';
import type { InstanceIdentity, OpenInstance } from '../stores/store.ts';
import { type Branch, offerToAll } from './branch.ts';
import { assertIdentified, assertVerified } from './read-verified.ts';

/** Feeds the branches and holds the last chunk back until it is verified. Errors reach the readers, not the caller. */
export async function pumpVerified(
  opened: OpenInstance,
  identity: InstanceIdentity,
  sourceName: string,
  branches: readonly Branch[],
): Promise<void> {
  try {
    const hash = createHash('md5');
    const identifiers = opened.idIsProven === true ? undefined : new IdentifierReader();
    let receivedBytes = 0;
    let heldBack: Uint8Array | undefined;
    for await (const chunk of opened.body) {
      if (chunk.byteLength === 0) continue;
      hash.update(chunk);
      identifiers?.push(chunk);
      receivedBytes += chunk.byteLength;
      if (heldBack !== undefined) await offerToAll(branches, heldBack);
      heldBack = chunk;
      if (branches.every((branch) => branch.closed)) return;
    }
    const received = { md5: hash.digest('hex') as Md5, sizeBytes: receivedBytes };
    assertVerified(identity, received, sourceName);
    if (identifiers !== undefined) assertIdentified(opened, identifiers.finish(), sourceName);
    if (heldBack !== undefined) await offerToAll(branches, heldBack);
    for (const branch of branches) branch.end();
  } catch (error) {
    for (const branch of branches) branch.fail(error);
  } finally {
    opened.cancel();
  }
}
