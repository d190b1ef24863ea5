/**
 * A process that writes objects until it is killed, or one large object: what the tests of kills and of memory start.
 *
 *     node object-storage-writer.ts endless LOCATION [ENDPOINT]   prints each key once it is confirmed
 *     node object-storage-writer.ts MEBIBYTES LOCATION [ENDPOINT] prints by how many bytes its memory grew at most
 */
import { createHash, randomBytes } from 'node:crypto';
import { writeSync } from 'node:fs';
import { isMd5, md5Of } from '../../core/identifiers.ts';
import { openObjectStorage, parseArchiveLocation } from '../../core/stores/archive/archive-location.ts';
import type { ObjectStorage } from '../../core/stores/archive/object-storage.ts';

const mebibyte = 1024 * 1024;
const chunk = randomBytes(256 * 1024);

async function writeEndlessly(objects: ObjectStorage, worker: number): Promise<never> {
  for (let round = 0; ; round += 1) {
    // Every eighth object is so large that S3 takes it in parts.
    const sizeBytes = round % 8 === 0 ? 9 * mebibyte : 10 * 1024;
    const bytes = randomBytes(sizeBytes);
    const md5 = md5Of(bytes);
    const key = `written/${worker}-${round}/${md5}`;
    await objects.putOnce(key, chunksOf(bytes), { sizeBytes, md5 });
    // Not lost when the process is killed right after.
    writeSync(1, `${key}\n`);
  }
}

async function measureMemory(objects: ObjectStorage, mebibytes: number): Promise<void> {
  // First once in small, so that all code is loaded.
  await objects.putOnce('small', repeated(64), { sizeBytes: 64 * chunk.length, md5: md5OfRepeated(64) });
  const chunks = (mebibytes * mebibyte) / chunk.length;
  const before = process.memoryUsage.rss();
  await objects.putOnce('large', repeated(chunks), { sizeBytes: chunks * chunk.length, md5: md5OfRepeated(chunks) });
  writeSync(1, `${process.resourceUsage().maxRSS * 1024 - before}\n`);
}

function md5OfRepeated(count: number) {
  const hash = createHash('md5');
  for (let index = 0; index < count; index += 1) {
    hash.update(chunk);
  }
  const md5 = hash.digest('hex');
  if (!isMd5(md5)) {
    throw new Error('not an MD5');
  }
  return md5;
}

async function* repeated(count: number): AsyncGenerator<Uint8Array> {
  for (let index = 0; index < count; index += 1) {
    yield Buffer.from(chunk);
  }
}

async function* chunksOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < bytes.length; offset += chunk.length) {
    yield bytes.subarray(offset, offset + chunk.length);
  }
}

const [mode = '', location = '', endpoint] = process.argv.slice(2);
const objects = await openObjectStorage(parseArchiveLocation(location), endpoint === undefined ? {} : { endpoint });
if (mode === 'endless') {
  await Promise.all([0, 1, 2, 3].map((worker) => writeEndlessly(objects, worker)));
} else {
  await measureMemory(objects, Number(mode));
  await objects.close();
}
