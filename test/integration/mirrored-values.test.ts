/** Values that the change feed does not tell of, and values that are no text: they arrive in target and archive alike. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type ResourceLevel, resourceLevels } from '../../core/identifiers.ts';
import { newOrthanc, orthancVersions } from '../../local/orthanc-versions.ts';
import { folderForTest, parseJsonLines } from '../e2e/support/scene.ts';
import { runCommand } from '../support/command.ts';
import { put, remove, text } from '../support/orthanc/rest.ts';
import { type GeneratedStudy, generateStudy, type ServerUnderTest } from '../support/orthanc/study-fixture.ts';
import { upload } from '../support/orthanc/upload.ts';
import { serverUnderTest } from '../support/restore-scene.ts';

const versions = orthancVersions().map(({ version }) => version);

async function mirrored(version: string, seed: string, config: Readonly<Record<string, unknown>> = {}) {
  const [source, target] = await Promise.all([serverUnderTest(version, config), serverUnderTest(version)]);
  const archive = join(await folderForTest(), 'archive');
  const study = generateStudy(seed, 3);
  await upload(source.url, study.files);
  const run = () => runCommand(['run', source.url, target.url, '--archive', archive, '--json']);
  return { source, target, archive, study, run };
}

/** A server that has nothing but what the archive gives. */
async function restored(archive: string): Promise<ServerUnderTest> {
  const server = await serverUnderTest(newOrthanc().version);
  expect((await runCommand(['restore', '--archive', archive, '--to', server.url])).exitCode).toBe(0);
  return server;
}

async function bytes(server: ServerUnderTest, study: GeneratedStudy, level: ResourceLevel, what: string) {
  const answer = await fetch(`${server.url}/${level}/${study[level]}/${what}`);
  const body = Buffer.from(await answer.arrayBuffer());
  return answer.ok ? body.toString('hex') : undefined;
}

describe.each(versions)('Orthanc %s', (version) => {
  test('edits of series and instances arrive although the change feed was cleared', async () => {
    const { source, target, archive, study, run } = await mirrored(version, 'cleared');
    expect((await run()).exitCode).toBe(0);
    for (const [round, value] of ['first', 'second'].entries()) {
      for (const level of ['series', 'instances'] as const) {
        const path = `/${level}/${study[level]}`;
        await put(source.url, `${path}/metadata/1030`, `${value} of ${level}`);
        await put(source.url, `${path}/attachments/${1040 + round}`, `${value} of ${level}`);
      }
      for (const server of [source, target]) await remove(server.url, '/changes');
      expect((await run()).exitCode).toBe(0);
      for (const server of [target, await restored(archive)]) {
        for (const level of ['series', 'instances'] as const) {
          const path = `/${level}/${study[level]}`;
          expect(await text(server.url, `${path}/metadata/1030`)).toBe(`${value} of ${level}`);
          expect(await text(server.url, `${path}/attachments/${1040 + round}/data`)).toBe(`${value} of ${level}`);
        }
      }
    }
    expect(parseJsonLines((await run()).stdout).summary).toMatchObject({ sidecars: { copied: 0, failed: 0 } });
  });

  test('what a source loses when the same file is sent again with overwriting, is gone from an archive as well', async () => {
    const source = await serverUnderTest(version, { OverwriteInstances: true });
    const archive = join(await folderForTest(), 'archive');
    const study = generateStudy('again', 3);
    await upload(source.url, study.files);
    const path = `/instances/${study.instances}`;
    await put(source.url, `${path}/metadata/1030`, 'soon gone');
    await put(source.url, `${path}/attachments/1040`, 'soon gone');
    const run = () => runCommand(['run', source.url, '--archive', archive]);
    expect((await run()).exitCode).toBe(0);
    expect(await text((await restored(archive)).url, `${path}/metadata/1030`)).toBe('soon gone');

    await upload(source.url, study.files.slice(0, 1));
    expect(await text(source.url, `${path}/metadata/1030`)).toBeUndefined();
    expect((await run()).exitCode).toBe(0);
    const server = await restored(archive);
    expect(await text(server.url, `${path}/metadata/1030`)).toBeUndefined();
    expect(await text(server.url, `${path}/attachments/1040/md5`)).toBeUndefined();
  });

  test('metadata that is not UTF-8 arrives byte by byte, and is equal from then on', async () => {
    const { source, target, archive, study, run } = await mirrored(version, 'bytes');
    const values: readonly (readonly [number: number, value: Buffer])[] = [
      [1030, Buffer.from('caf\u00e9', 'latin1')],
      [1031, Buffer.from([0xff, 0xfe, 0x41, 0x0a, 0x80])],
      // What lies beyond Unicode, and what some decoders take for the same as an ordinary character.
      [1032, Buffer.from([0xf4, 0x90, 0x80, 0x80])],
      [1033, Buffer.from('\u{10000}')],
      [1034, Buffer.from('\ufffd')],
      [1035, Buffer.from('\ufeffcaf\u00e9')],
      [1036, Buffer.from([0xed, 0xa0, 0x80])],
    ];
    for (const level of resourceLevels) {
      for (const [number, value] of values)
        await put(source.url, `/${level}/${study[level]}/metadata/${number}`, value);
    }
    expect((await run()).exitCode).toBe(0);
    const check = async (server: ServerUnderTest) => {
      for (const level of resourceLevels) {
        for (const [number, value] of values) {
          expect(await bytes(server, study, level, `metadata/${number}`), `${level} ${number}`).toBe(
            value.toString('hex'),
          );
        }
      }
    };
    await check(target);
    await check(await restored(archive));
    expect(parseJsonLines((await run()).stdout).summary).toMatchObject({ sidecars: { copied: 0, failed: 0 } });

    // The listing shows the same text for these two.
    await put(source.url, `/series/${study.series}/metadata/1030`, Buffer.from('caf\u00e8', 'latin1'));
    await remove(source.url, '/changes');
    expect((await run()).exitCode).toBe(0);
    expect(await bytes(target, study, 'series', 'metadata/1030')).toBe('636166e8');
    expect(await bytes(await restored(archive), study, 'series', 'metadata/1030')).toBe('636166e8');
  });
});
