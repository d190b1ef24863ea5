import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ReplaceOptions, replaceInstance } from '../../core/archive-life/repair/replace-conflicts.ts';
import { type InstanceId, type Md5, md5Of, type ResourceLevel, resourceLevels } from '../../core/identifiers.ts';
import { Limitations } from '../../core/sidecars/limitations.ts';
import type { InstanceIdentity } from '../../core/stores/store.ts';
import { newOrthanc, oldOrthanc } from '../../local/orthanc-versions.ts';
import { needs } from '../support/needs.ts';
import { json, put, text } from '../support/orthanc/rest.ts';
import {
  type GeneratedStudy,
  generateStudy,
  type ServerUnderTest,
  startServer,
  temporaryArchive,
} from '../support/orthanc/study-fixture.ts';
import { upload } from '../support/orthanc/upload.ts';

const versions = { old: oldOrthanc().version, new: newOrthanc().version };
let source: ServerUnderTest;
let archive: Awaited<ReturnType<typeof temporaryArchive>>;

beforeAll(async () => {
  [source, archive] = await Promise.all([startServer(versions.new), temporaryArchive()]);
});
afterAll(async () => {
  await Promise.all([source?.stop(), archive?.remove()]);
});

function optionsFor(target: ServerUnderTest): ReplaceOptions {
  const limitations = new Limitations();
  return {
    source: source.store,
    target: target.store,
    targetServer: target.server,
    archive: archive.archive,
    limitations,
  };
}

/** The same instances with other bytes on the target, and something attached there to every level. */
async function conflicting(target: ServerUnderTest, seed: string, count: number): Promise<Conflict> {
  const wanted = generateStudy(seed, count, 4096);
  const held = generateStudy(seed, count, 6000);
  await upload(source.url, wanted.files);
  await upload(target.url, held.files);
  for (const level of resourceLevels) {
    await put(target.url, `/${level}/${held[level]}/metadata/1030`, `of ${level}`);
    await put(target.url, `/${level}/${held[level]}/attachments/1040`, `attached to ${level}`);
    if (target.server.capabilities.hasLabels) await put(target.url, `/${level}/${held[level]}/labels/kept`);
  }
  await put(target.url, `/patients/${held.patients}/protected`, '1');
  return { wanted, held, id: wanted.instances, wantedMd5: wanted.files[0]?.md5, heldMd5: held.files[0]?.md5 };
}

interface Conflict {
  readonly wanted: GeneratedStudy;
  readonly held: GeneratedStudy;
  readonly id: InstanceId;
  readonly wantedMd5: Md5 | undefined;
  readonly heldMd5: Md5 | undefined;
}

async function bytesOn(server: ServerUnderTest, id: InstanceId): Promise<Md5> {
  const answer = await fetch(`${server.url}/instances/${id}/file`);
  return md5Of(new Uint8Array(await answer.arrayBuffer()));
}

describe.each(['old', 'new'] as const)('a conflict on %s Orthanc', (age) => {
  let target: ServerUnderTest;
  beforeAll(async () => {
    target = await startServer(versions[age], { UserMetadata: { Named: 1050 } });
  });
  afterAll(() => target?.stop());

  it.each([1, 2])('is replaced with all that is attached, in a study of %i instances', async (count) => {
    const { id, held, wantedMd5, heldMd5 } = await conflicting(target, `replace-${age}-${count}`, count);

    const { kind, savedUnder } = await replaceInstance(id, optionsFor(target));

    expect(kind).toBe('replaced');
    expect(await bytesOn(target, id)).toBe(wantedMd5);
    const attached = (level: ResourceLevel, what: string) => text(target.url, `/${level}/${held[level]}/${what}`);
    for (const level of resourceLevels) {
      expect(await attached(level, 'metadata/1030')).toBe(`of ${level}`);
      expect(await attached(level, 'attachments/1040/data')).toBe(`attached to ${level}`);
      if (age === 'new') expect(await json(target.url, `/${level}/${held[level]}/labels`)).toEqual(['kept']);
    }
    expect(await text(target.url, `/patients/${held.patients}/protected`)).toBe('1');
    const saved = await archive.archive.objects.get(`${savedUnder}${heldMd5}.dcm`);
    expect(md5Of(Buffer.concat(await Array.fromAsync(saved?.body ?? [])))).toBe(heldMd5);
    expect(await archive.archive.objects.head(`${savedUnder}study.json`)).toBeDefined();
    expect((await archive.archive.lookup(id)).map(({ md5 }) => md5)).toEqual([wantedMd5]);
    expect(await replaceInstance(id, optionsFor(target))).toMatchObject({ kind: 'already-equal' });
  });

  it('is left as it is without an archive', async () => {
    const { id, heldMd5 } = await conflicting(target, `no-archive-${age}`, 1);
    const refusal = replaceInstance(id, { ...optionsFor(target), archive: undefined });
    await expect(refusal).rejects.toMatchObject({ code: 'conflict', message: expect.stringContaining('no archive') });
    expect(await bytesOn(target, id)).toBe(heldMd5);
  });

  it('is left as it is when the target changes while its version is saved', async () => {
    const { id } = await conflicting(target, `meanwhile-${age}`, 2);
    const other = generateStudy(`meanwhile-${age}`, 2, 8000);
    const changing = new Proxy(archive.archive, {
      get(held, name) {
        const member: unknown = Reflect.get(held, name, held);
        if (name !== 'storeKept') return typeof member === 'function' ? member.bind(held) : member;
        // Asked after the target's version was saved and before it is deleted.
        return async (asked: InstanceIdentity) => {
          await fetch(`${target.url}/instances/${asked.id}`, { method: 'DELETE' });
          await upload(target.url, other.files.slice(0, 1));
          return held.storeKept(asked);
        };
      },
    });
    const attempt = replaceInstance(id, { ...optionsFor(target), archive: changing });
    await expect(attempt).rejects.toMatchObject({ code: 'changed-meanwhile' });
    expect(await bytesOn(target, id)).toBe(other.files[0]?.md5);
  });

  it('is left as it is where a name without a number would be lost', async () => {
    const { id, held, heldMd5, wantedMd5 } = await conflicting(target, `named-${age}`, 1);
    await put(target.url, `/studies/${held.studies}/metadata/1050`, 'named');
    const attempt = replaceInstance(id, optionsFor(target));
    if (age === 'old') {
      await expect(attempt).rejects.toMatchObject({ code: 'conflict', message: expect.stringContaining('name') });
      expect(await bytesOn(target, id)).toBe(heldMd5);
    } else {
      await attempt;
      expect(await bytesOn(target, id)).toBe(wantedMd5);
      expect(await text(target.url, `/studies/${held.studies}/metadata/1050`)).toBe('named');
    }
  });
});

describe.each([
  ['transcodes', { IngestTranscoding: '1.2.840.10008.1.2.5' }, 'transcodes'],
  ['is read-only', { ReadOnly: true }, 'read-only'],
  ['keeps no hashes', { StoreMD5ForAttachments: false }, 'hash'],
])('a conflict on Orthanc that %s', (_, config, reason) => {
  // Before 1.13.0 Orthanc does not tell that it keeps no hashes; its instance is replaced and read back then.
  const isTold = versions.new === 'mainline' || versions.new >= '1.13.0' || !('StoreMD5ForAttachments' in config);
  it.runIf(needs(isTold, 'Orthanc 1.13.0'))('is left as it is', async () => {
    // Filled with the usual configuration first: a read-only server takes nothing.
    const target = await startServer(versions.new);
    const { id, heldMd5 } = await conflicting(target, `refused-${reason}`, 1);
    const configured = await target.reconfigure(config);
    try {
      const attempt = replaceInstance(id, optionsFor(configured));
      await expect(attempt).rejects.toMatchObject({ code: 'conflict', message: expect.stringContaining(reason) });
      expect(await bytesOn(configured, id)).toBe(heldMd5);
    } finally {
      await configured.stop();
    }
  });
});
