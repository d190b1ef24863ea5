import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startS3 } from '../../local/s3/start-s3.ts';

const mebibyte = 1024 * 1024;
/** An object of 256 MiB; a process that held it, or half of it, would be far above. */
const objectMebibytes = 256;
const mostGrowthMebibytes = 100;
const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'memory-'));
});
afterEach(() => rm(folder, { recursive: true }));

describe(`writing an object of ${objectMebibytes} MiB as a stream`, () => {
  it(`takes less than ${mostGrowthMebibytes} MiB of memory into a folder`, async () => {
    expect(await growthMebibytes([join(folder, 'objects')])).toBeLessThan(mostGrowthMebibytes);
  });

  it(`takes less than ${mostGrowthMebibytes} MiB of memory into S3`, async () => {
    const server = await startS3({ folder });
    const client = new S3Client({ endpoint: server.endpoint, region: 'us-east-1', forcePathStyle: true, credentials });
    await client.send(new CreateBucketCommand({ Bucket: 'memory' }));
    client.destroy();
    expect(await growthMebibytes(['s3://memory', server.endpoint])).toBeLessThan(mostGrowthMebibytes);
    await server.close();
  });
});

/** @returns by how much the memory of a process of its own grew while it wrote the object. */
async function growthMebibytes(place: readonly string[]): Promise<number> {
  const script = join(import.meta.dirname, 'object-storage-writer.ts');
  const env = { ...process.env, AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' };
  const args = [script, String(objectMebibytes), ...place];
  const { stdout } = await promisify(execFile)(process.execPath, args, { env });
  const growth = Number(stdout.trim()) / mebibyte;
  expect(growth).toBeGreaterThan(-mostGrowthMebibytes);
  process.stderr.write(`grew by ${Math.round(growth)} MiB\n`);
  return growth;
}
