import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { FindingCode, Severity } from '../../core/sidecars/preflight/finding.ts';
import { type PreflightOptions, preflight, refusalOf } from '../../core/sidecars/preflight/preflight.ts';
import { openOrthancStore } from '../../core/stores/orthanc/orthanc-store.ts';
import { generateInstances } from '../../local/dicom/generate.ts';
import { newOrthanc, oldOrthanc, orthancOfVersion } from '../../local/orthanc-versions.ts';
import { needs } from '../support/needs.ts';
import { type ServerUnderTest, startServer } from '../support/orthanc/study-fixture.ts';
import { upload } from '../support/orthanc/upload.ts';

const old = oldOrthanc().version;
const recent = newOrthanc().version;
/** Tells `StoreMD5ForAttachments` and knows `IfChanged`. */
const tellsHashes = recent === 'mainline' || recent >= '1.13.0';

/** Empty, and configured as usual. */
let plain: ServerUnderTest;
const running: ServerUnderTest[] = [];
beforeAll(async () => {
  plain = await startServer(recent);
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.stop()));
});
afterAll(() => plain?.stop());

async function start(version: string, config = {}, plugins: readonly string[] = []): Promise<ServerUnderTest> {
  const server = await startServer(version, config, plugins);
  running.push(server);
  return server;
}

interface Case {
  readonly target?: Readonly<Record<string, unknown>>;
  readonly source?: Readonly<Record<string, unknown>>;
  /** Instances of 4 KiB at the source, a hundred of them per patient. */
  readonly instances?: number;
  readonly options?: PreflightOptions;
}

async function findings({ target, source, instances = 0, options }: Case): Promise<[FindingCode, Severity][]> {
  const needsSource = source !== undefined || target === undefined || instances > 0;
  const [from, to] = await Promise.all([
    needsSource ? start(recent, source) : plain,
    target === undefined ? plain : start(recent, target),
  ]);
  await upload(from.url, generateInstances('preflight', instances, 4096));
  const found = await preflight(from.store, to.store, options);
  for (const { message } of found) expect(message).toMatch(/^http:\/\/127\.0\.0\.1:\d+ .{40,}$/);
  return found.map(({ code, severity }) => [code, severity]);
}

const megabyte = 1024 * 1024;

describe(`the preflight of Orthanc ${recent}`, () => {
  it('finds nothing about servers in their usual configuration', async () => {
    expect(await findings({ instances: 1 })).toEqual([]);
  });

  it.each<[string, Case, [FindingCode, Severity][]]>([
    ['a read-only target', { target: { ReadOnly: true } }, [['read-only', 'halt']]],
    [
      'a target that transcodes with loss',
      { target: { IngestTranscoding: '1.2.840.10008.1.2.4.51' } },
      [['transcodes-lossy', 'halt']],
    ],
    [
      'a target that transcodes without loss',
      { target: { IngestTranscoding: '1.2.840.10008.1.2.4.70' } },
      [['transcodes-lossless', 'note']],
    ],
    [
      'a target that would delete patients for what is planned',
      { target: { MaximumStorageSize: 1 }, options: { plannedBytes: 2 * megabyte } },
      [['recycles', 'risk']],
    ],
    [
      'a target that would delete patients for what the source holds',
      { target: { MaximumStorageSize: 1 }, instances: 300 },
      [['recycles', 'risk']],
    ],
    [
      'a target that deletes patients one day',
      { target: { MaximumStorageSize: 1000 }, options: { plannedBytes: megabyte } },
      [['recycles', 'note']],
    ],
    [
      'a target for fewer patients than the source has',
      { target: { MaximumPatientCount: 1 }, instances: 101 },
      [['patient-limit', 'risk']],
    ],
    [
      'a target that would refuse what is planned',
      { target: { MaximumStorageSize: 1, MaximumStorageMode: 'Reject' }, options: { plannedBytes: 2 * megabyte } },
      [['storage-too-small', 'risk']],
    ],
    [
      'a target with room enough that refuses beyond',
      { target: { MaximumStorageSize: 1000, MaximumStorageMode: 'Reject' }, options: { plannedBytes: megabyte } },
      [],
    ],
    ['a target that overwrites', { target: { OverwriteInstances: true } }, [['overwrites', 'note']]],
    ['a source that recycles', { source: { MaximumStorageSize: 1000 } }, [['source-recycles', 'note']]],
    [
      'a source that recycles while deletions are propagated',
      { source: { MaximumPatientCount: 1000 }, options: { propagatesDeletions: true } },
      [['source-recycles', 'risk']],
    ],
  ])('finds %s', async (_, configured, expected) => {
    expect(await findings(configured)).toEqual(expected);
  });

  it.runIf(needs(tellsHashes, 'Orthanc 1.13.0')).each<[string, Case, [FindingCode, Severity][]]>([
    ['a target without hashes', { target: { StoreMD5ForAttachments: false } }, [['no-hashes', 'risk']]],
    ['a source without hashes', { source: { StoreMD5ForAttachments: false } }, [['source-no-hashes', 'note']]],
    ['a target that overwrites if changed', { target: { OverwriteInstances: 'IfChanged' } }, [['overwrites', 'note']]],
  ])('finds %s (told from 1.13.0 on)', async (_, configured, expected) => {
    expect(await findings(configured)).toEqual(expected);
  });

  it('finds that source and target are the same server under two addresses', async () => {
    const server = await start(recent);
    const again = openOrthancStore({ url: server.url.replace('127.0.0.1', 'localhost') });
    try {
      expect(await preflight(server.store, again)).toMatchObject([{ code: 'same-server', severity: 'halt' }]);
    } finally {
      await again.close();
    }
  });

  it('finds the Housekeeper plugin of the target', async () => {
    const plugin = join(dirname(orthancOfVersion(recent).bin), 'usr/share/orthanc/plugins/libHousekeeper.so');
    const found = [plugin, '/usr/share/orthanc/plugins/libHousekeeper.so'].find(existsSync);
    if (found === undefined) throw new Error(`Orthanc ${recent} came without its Housekeeper plugin`);
    const target = await start(recent, { Housekeeper: { Enable: true } }, [found]);
    expect(await preflight(undefined, target.store)).toMatchObject([{ code: 'rewrites-files', severity: 'note' }]);
  });
});

describe(`the preflight of Orthanc ${old}`, () => {
  it('tells what an old target lacks, and that it hides its settings', async () => {
    const hidden = { IngestTranscoding: '1.2.840.10008.1.2.4.51', OverwriteInstances: true, MaximumStorageSize: 1 };
    const target = await start(old, hidden);
    expect((await preflight(undefined, target.store)).map(({ code }) => code)).toEqual([
      'old-version',
      'settings-hidden',
    ]);
  });

  it('finds that source and target have the same address', async () => {
    const { store } = await start(old);
    const found = await preflight(store, store);
    expect(found[0]).toMatchObject({ code: 'same-server', severity: 'halt' });
  });
});

describe('a refusal', () => {
  const finding = (severity: Severity) => ({ code: 'recycles', severity, message: `a ${severity}` }) as const;
  it.each([
    [[], false, undefined, undefined],
    [['note'], false, undefined, undefined],
    [['risk', 'note'], false, 'a risk', 'accept-risk'],
    [['risk'], true, undefined, undefined],
    [['halt', 'risk'], true, 'a halt', undefined],
    [['halt', 'risk'], false, 'a halt; a risk', undefined],
  ] as const)('of %j with force %s is %s, with the advice %s', (severities, force, message, advice) => {
    const refusal = refusalOf(severities.map(finding), { force });
    expect([refusal?.message, refusal?.advice]).toEqual([message, advice]);
  });
});
