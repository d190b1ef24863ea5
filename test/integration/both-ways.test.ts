import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { describe, expect, onTestFinished, test } from 'vitest';
import { newOrthanc, oldOrthanc } from '../../local/orthanc-versions.ts';
import { bucketPlace, folderPlace, orthancPlace, type ProvenPlace, prove } from '../../local/prove.ts';
import { startS3 } from '../../local/s3/start-s3.ts';
import { folderForTest, instanceIds, serverForTest } from '../e2e/support/scene.ts';
import { runCommand } from '../support/command.ts';
import { sampleFiles } from '../support/sample-files.ts';

interface Place {
  readonly options: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly proven: ProvenPlace;
}

async function inFolder(): Promise<Place> {
  const path = `${await folderForTest()}/archive`;
  return { options: ['--archive', path], environment: {}, proven: folderPlace('archive', path) };
}

async function inBucket(): Promise<Place> {
  const server = await startS3({ folder: await folderForTest() });
  onTestFinished(() => server.close());
  const environment = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test', AWS_REGION: 'us-east-1' };
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  const client = new S3Client({ endpoint: server.endpoint, region: 'us-east-1', credentials, forcePathStyle: true });
  onTestFinished(() => client.destroy());
  await client.send(new CreateBucketCommand({ Bucket: 'mirror' }));
  return {
    options: ['--archive', 's3://mirror/backup', '--endpoint', server.endpoint],
    environment,
    proven: bucketPlace('archive', client, 'mirror', 'backup/'),
  };
}

describe.each([
  ['from old to new', oldOrthanc, newOrthanc],
  ['from new to old', newOrthanc, oldOrthanc],
])('real files mirrored %s', (_, sourceProgram, targetProgram) => {
  test.each([
    ['a folder', inFolder],
    ['S3', inBucket],
  ])('are equal in both servers and in an archive in %s, as other code than ours reads them', async (_name, place) => {
    const [source, target, archive] = await Promise.all([
      serverForTest({ bin: sourceProgram().bin }),
      serverForTest({ bin: targetProgram().bin }),
      place(),
    ]);
    for (const bytes of await sampleFiles('both ways')) {
      const answer = await fetch(new URL('instances', source.url), { method: 'POST', body: Uint8Array.from(bytes) });
      await answer.arrayBuffer();
    }
    const run = await runCommand(['run', source.url, target.url, ...archive.options], archive.environment);
    expect(run.exitCode, run.stdout + run.stderr).toBe(0);
    const proof = await prove([orthancPlace('source', source.url), orthancPlace('target', target.url), archive.proven]);
    expect(proof).toMatchObject({ equal: true, differences: [] });
    expect(proof.places[0]?.instances).toBe((await instanceIds(source)).length);
    expect(proof.places[0]?.instances).toBeGreaterThan(50);
  });
});
