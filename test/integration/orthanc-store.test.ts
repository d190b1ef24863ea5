/** The contract of stores, held by real Orthanc servers, old and new. */
import { randomUUID } from 'node:crypto';
import { afterAll } from 'vitest';
import { md5Of } from '../../core/identifiers.ts';
import { openOrthancStore } from '../../core/stores/orthanc/orthanc-store.ts';
import { generateInstance } from '../../local/dicom/generate.ts';
import { placeOfNth } from '../../local/dicom/identifiers.ts';
import { startOrthanc } from '../../local/orthanc-server.ts';
import { newOrthanc, oldOrthanc } from '../../local/orthanc-versions.ts';
import { describeStoreContract } from '../contract/store-contract.ts';
import type { SampleInstance } from '../contract/store-contract-setup.ts';
import { remove, upload } from '../support/orthanc/upload.ts';

for (const { program, tellsHashes } of [
  { program: oldOrthanc(), tellsHashes: false },
  { program: newOrthanc(), tellsHashes: true },
]) {
  const server = once(() => startOrthanc(program));
  afterAll(async () => (await server()).stop());
  describeStoreContract(`an Orthanc ${program.version} server`, {
    open: async () => {
      const { url } = await server();
      const store = openOrthancStore({ url, name: program.version });
      return {
        store,
        seed: (samples) => upload(url, samples),
        close: async () => {
          await store.close();
          await empty(url);
        },
      };
    },
    makeSample,
    makeOtherVersion,
    otherVersion: 'conflict',
    inventoryTellsHashes: tellsHashes,
  });
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

function makeSample(sizeBytes: number): SampleInstance {
  const even = Math.max(2048, sizeBytes + (sizeBytes % 2));
  return generateInstance(placeOfNth(randomUUID(), 0), even);
}

/** The last bytes of a generated file are pixels. */
function makeOtherVersion({ id, bytes }: SampleInstance): SampleInstance {
  const other = Uint8Array.from(bytes);
  other[other.length - 1] = (other.at(-1) ?? 0) ^ 1;
  return { id, bytes: other, md5: md5Of(other) };
}

async function empty(url: string): Promise<void> {
  const answer = await fetch(`${url}/instances`);
  const ids: unknown = await answer.json();
  if (Array.isArray(ids)) await remove(url, ids.map(String));
}
