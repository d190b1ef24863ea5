/**
 * The memory that one very large instance takes: source → target and folder archive. The copies are proven.
 *
 *     node bench/large.ts [--gibibytes 1]
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { generateStream } from '../local/dicom/generate.ts';
import { placeOfNth } from '../local/dicom/identifiers.ts';
import { startOrthanc } from '../local/orthanc-server.ts';
import { folderPlace, orthancPlace, proofTable, prove } from '../local/prove.ts';
import { post } from '../local/upload.ts';
import { measureCommand, orthancMirror } from './measure-command.ts';

/** Orthanc 1.10.1 answers `Success` to a file of 2^31 bytes and keeps an empty one; this is the largest it stores. */
const largestStoredBytes = 2 ** 31 - 2;

const { values } = parseArgs({ options: { gibibytes: { type: 'string' } } });
const sizeBytes = Math.min(Number(values.gibibytes ?? 2) * 1024 ** 3, largestStoredBytes);
const instance = generateStream(placeOfNth('large', 0), sizeBytes);
const folder = await mkdtemp(join(tmpdir(), 'orthanc-mirror-large-'));
try {
  await using source = await startOrthanc();
  await using target = await startOrthanc();
  const answer = await post(source.url, instance);
  if (answer.kind === 'refused') throw new Error(`the source refused the instance with ${answer.status}`);

  const archive = join(folder, 'archive');
  const usage = await measureCommand([orthancMirror, 'run', source.url, target.url, '--archive', archive]);
  console.log(usage.stdout);
  const mebibytes = instance.sizeBytes / 1024 ** 2;
  console.log(`${mebibytes.toFixed(0)} MiB in ${(usage.wallMs / 1000).toFixed(1)} s`);
  console.log(`${(mebibytes / (usage.wallMs / 1000)).toFixed(0)} MiB/s, ${usage.cpuMs} ms of processor time`);
  console.log(`peak resident memory of our process: ${(usage.peakResidentBytes / 1024 ** 2).toFixed(0)} MiB`);

  const places = [
    orthancPlace('source', source.url),
    orthancPlace('target', target.url),
    folderPlace('archive', archive),
  ];
  const proof = await prove(places);
  console.log(proofTable(proof));
  if (!proof.equal) process.exitCode = 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}
