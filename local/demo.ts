/**
 * The whole mirror on this machine: two real Orthanc servers, and between them the stack that would be deployed to AWS,
 * synthesized and run locally. Ends with a proof that shares no code with the product.
 *
 *     npm run demo [-- --data FOLDER]
 *
 * Exit code 0 only if source, target and archive hold the same bytes.
 */
import { mkdir, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const usage = `npm run demo [-- --data FOLDER]

Mirrors generated DICOM, or every file below FOLDER, from one Orthanc server to another and to an archive, with the stack
that would be deployed to AWS, run on this machine; then proves that all three hold the same bytes.`;

/** @returns the exit code: 0 only if source, target and archive hold the same bytes, 2 if what was typed makes no sense */
async function main(args: string[]): Promise<number> {
  const { help, data } = parseArgs({ args, options: { data: { type: 'string' }, help: { type: 'boolean' } } }).values;
  if (help === true) {
    console.log(usage);
    return 0;
  }
  if (data !== undefined && !(await isFolder(data))) {
    say(`there is no folder ${data}; check --data`);
    return 2;
  }
  const folder = join(tmpdir(), 'orthanc-mirror-demo', new Date().toISOString().replaceAll(':', '-'));
  await mkdir(folder, { recursive: true });
  // Loaded only now: who typed something wrong does not wait for all of it.
  const { demo } = await import('./demo-mirror.ts');
  const { proofTable } = await import('./prove.ts');
  const proof = await demo(folder, data);
  console.log(proofTable(proof));
  // The local S3 server keeps versions and settings beside the objects: it is no archive that a command could read.
  console.log(`\nthe buckets of the local S3 server, the archive among them, lie in ${join(folder, 's3')}`);
  console.log(proof.equal ? 'source, target and archive hold the same bytes' : 'THEY DO NOT HOLD THE SAME BYTES');
  return proof.equal ? 0 : 1;
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}

function say(line: string): void {
  console.error(line);
}

process.exitCode = await main(process.argv.slice(2)).catch((error: unknown) => {
  say(`the demo ended: ${error instanceof Error ? error.message : String(error)}`);
  return isTyping(error) ? 2 : 1;
});

/** What `parseArgs` throws. */
function isTyping(error: unknown): boolean {
  return error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS');
}
