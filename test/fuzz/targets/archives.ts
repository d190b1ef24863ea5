/** What an import unfolds: zip, tar, gzip, compressed and encrypted storage files, and all of them within each other. */
import { gzipSync } from 'node:zlib';
import type fc from 'fast-check';
import { DataSetParser } from '../../../core/dicom/data-set-parser.ts';
import { isMirrorError } from '../../../core/errors.ts';
import type { Found } from '../../../core/import/found.ts';
import { type Leaf, type UnfoldContext, unfold } from '../../../core/import/unfold.ts';
import { storageRoleOf } from '../../../core/orthanc-disk/storage/storage-names.ts';
import { HoldingPlace } from '../../../core/streams/holding-place.ts';
import { memoryBytes } from '../../../core/streams/rereadable-bytes.ts';
import { generateInstance } from '../../../local/dicom/generate.ts';
import { placeOfNth } from '../../../local/dicom/identifiers.ts';
import { encryptObject, overlappingZip, tar, zip, zlibWithSize } from '../../support/import/archives.ts';
import { mutatedBytes } from '../mutations.ts';
import { attempt, type FuzzTarget, must } from '../target.ts';

const masterKey = Buffer.alloc(32, 7);
const limits = {
  maxDepth: 3,
  bytesPerMember: 64,
  floorMembers: 100,
  maxMembers: 1000,
  maxRatio: 50,
  floorBytes: 1024 * 1024,
};
const context: UnfoldContext = { limits, holdingPlace: new HoldingPlace(), masterKeys: new Map([[1, masterKey]]) };

/** A name that says what the object-storage plugin calls such a file. */
const storageName = '0bc5b5c2-f5ab-4a8e-a3cf-3ab07ef1b6e1.dcm.enc';

async function checkUnfolding(input: Uint8Array): Promise<void> {
  const at = { path: storageName };
  const found: Found = { at, bytes: memoryBytes(input), storage: storageRoleOf(storageName) };
  let leaves = 0;
  let unfoldedBytes = 0;
  for await (const leaf of unfold(found, context)) {
    leaves += 1;
    unfoldedBytes += await sizeOf(leaf);
    must(leaves <= limits.maxMembers + limits.maxDepth + 1, 'it unfolds to more files than it may');
    const { path } = leaf.kind === 'no-file' || leaf.kind === 'error' ? leaf.at : leaf.found.at;
    must(path.length <= (limits.maxDepth + 1) * 1200, 'a name is longer than it is shown');
  }
  // A file at the innermost level is counted once for each level that it lies in.
  const most = Math.max(limits.floorBytes, limits.maxRatio * input.length) + input.length;
  must(unfoldedBytes <= most, 'it unfolds to more bytes than it may');
}

/** Reads a leaf to its end. */
async function sizeOf(leaf: Leaf): Promise<number> {
  if (leaf.kind === 'error' || leaf.kind === 'no-file') {
    if (leaf.kind === 'error') must(isMirrorError(leaf.error), 'an error of unknown meaning');
    return 0;
  }
  let sizeBytes = 0;
  await attempt(async () => {
    for await (const piece of leaf.found.bytes.read()) sizeBytes += piece.length;
  });
  leaf.found.bytes.release();
  return sizeBytes;
}

/** The walker alone, without what a meta header says: any bytes, in both encodings, against their own number. */
function checkWalk(input: Uint8Array): void {
  for (const explicitVr of [true, false]) {
    for (const bigEndian of [true, false]) {
      const parser = new DataSetParser({ explicitVr, bigEndian }, new Set([0x00100020, 0x00080018]));
      for (let at = 0; at < input.length; at += 11) parser.push(input.subarray(at, at + 11));
      const fault = parser.finish();
      must(fault !== 'unfolds-too-far', 'the walker unfolds nothing');
      const kept = [...parser.values.values()].reduce((sum, { bytes }) => sum + bytes.length, 0);
      must(kept <= input.length, 'more is kept than was given');
    }
  }
}

export async function archiveTargets(): Promise<readonly FuzzTarget[]> {
  const { bytes } = generateInstance(placeOfNth('fuzz archives', 0), 2048);
  const text = Buffer.from('not an image, but a text that is long enough to be compressed, compressed, compressed');
  const members = [
    { name: 'x/1.dcm', bytes },
    { name: '../2', bytes: text },
  ];
  const aZip = zip(members);
  const aTar = await tar(members);
  const longNames = await tar([{ name: `${'long/'.repeat(60)}x.dcm`, bytes }]);
  const nested = zip([
    { name: 'a.tar', bytes: aTar },
    { name: 'b.zip', bytes: aZip, stored: true },
  ]);
  const seeds: Readonly<Record<string, readonly Uint8Array[]>> = {
    zip: [aZip, zip([{ name: 'stored', bytes, stored: true }]), overlappingZip(bytes, 5), nested],
    tar: [aTar, longNames, await tar([{ name: 'l', bytes: Buffer.from('/etc/passwd'), symlink: true }])],
    gzip: [gzipSync(bytes), gzipSync(aTar), gzipSync(gzipSync(aZip)), gzipSync(Buffer.alloc(200_000))],
    'storage-file': [zlibWithSize(bytes), zlibWithSize(text), encryptObject(zlibWithSize(bytes), masterKey, 1)],
  };
  const target = (name: string, inputs: fc.Arbitrary<Uint8Array>): FuzzTarget => ({
    name,
    inputs,
    check: checkUnfolding,
    runs: 200,
  });
  return [
    ...Object.entries(seeds).map(([name, files]) => target(name, mutatedBytes(files))),
    { name: 'walker', inputs: mutatedBytes([bytes.subarray(132), bytes]), check: checkWalk, runs: 300 },
  ];
}
