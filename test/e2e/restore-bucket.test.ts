import { join } from 'node:path';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { expect, onTestFinished, test } from 'vitest';
import { generateInstance, generateInstances } from '../../local/dicom/generate.ts';
import { placeOfNth } from '../../local/dicom/identifiers.ts';
import { newOrthanc } from '../../local/orthanc-versions.ts';
import { bucketPlace, orthancPlace, prove } from '../../local/prove.ts';
import { startS3 } from '../../local/s3/start-s3.ts';
import { runCommand } from '../support/command.ts';
import { folderForTest, parseJsonLines, serverForTest, storeAll } from './support/scene.ts';

test('an archive in a bucket is listed, restored, in part restored, and repairs a server', async () => {
  const folder = await folderForTest();
  const s3 = await startS3({ folder: join(folder, 's3') });
  onTestFinished(() => s3.close());
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  const client = new S3Client({ endpoint: s3.endpoint, region: 'us-east-1', forcePathStyle: true, credentials });
  onTestFinished(() => client.destroy());
  await client.send(new CreateBucketCommand({ Bucket: 'backups' }));
  const environment = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test', AWS_REGION: 'us-east-1' };
  const archive = ['--archive', 's3://backups/orthanc', '--endpoint', s3.endpoint];
  const command = async (...args: readonly string[]) => {
    const { stdout, stderr, exitCode } = await runCommand([...args, ...archive, '--json'], environment);
    expect(stderr + stdout).not.toContain('internal error');
    return { stdout, exitCode };
  };

  const source = await serverForTest({ version: newOrthanc().version });
  await storeAll(source, generateInstances('bucket', 30, 4096));
  await storeAll(source, [generateInstance(placeOfNth('large in bucket', 0), 9 * 1024 ** 2)]);
  expect(await command('run', source.url)).toMatchObject({ exitCode: 0 });
  const inBucket = bucketPlace('bucket', client, 'backups', 'orthanc/');

  const target = await serverForTest();
  const restored = await command('restore', '--to', target.url, '--verify');
  expect(parseJsonLines(restored.stdout).summary).toMatchObject({ copied: 31, verified: { sound: 31 }, exitCode: 0 });
  expect(await prove([orthancPlace('target', target.url), inBucket])).toMatchObject({ equal: true });

  const studies = (await command('ls')).stdout.trim().split('\n');
  const first: { study: string; instances: number } = JSON.parse(studies[0] ?? '');
  const other = await serverForTest();
  const part = await command('restore', '--to', other.url, '--study', first.study);
  expect(parseJsonLines(part.stdout).summary).toMatchObject({ copied: first.instances, exitCode: 0 });
  const repaired = await command('restore', '--to', other.url, '--repair');
  expect(parseJsonLines(repaired.stdout).summary).toMatchObject({ missing: 31 - first.instances, exitCode: 0 });
  expect(await prove([orthancPlace('other', other.url), inBucket])).toMatchObject({ equal: true });
});
