import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { FolderStore } from '../../core/stores/folder/folder-store.ts';
import { generateInstance } from '../../local/dicom/generate.ts';
import { placeOfNth } from '../../local/dicom/identifiers.ts';
import { describeStoreContract } from './store-contract.ts';

let made = 0;

describeStoreContract('a folder of DICOM files', {
  async open() {
    const folder = await mkdtemp(join(tmpdir(), 'folder-store-'));
    const store = new FolderStore(folder);
    let written = 0;
    return {
      store,
      async seed(samples) {
        await mkdir(join(folder, 'below'), { recursive: true });
        await writeFile(join(folder, 'notes.txt'), 'not an image');
        for (const { bytes } of samples) {
          written += 1;
          // Every other one is gzipped: a store tells what the file holds.
          const name = join(folder, written % 2 === 0 ? 'below' : '.', `${written}`);
          await writeFile(name, written % 2 === 0 ? gzipSync(bytes) : bytes);
        }
      },
      async close() {
        await store.close();
        await rm(folder, { recursive: true });
      },
    };
  },
  makeSample(sizeBytes) {
    made += 1;
    return generateInstance(placeOfNth('folder-store', made), Math.max(2048, sizeBytes + (sizeBytes % 2)));
  },
});
