/**
 * An archive that somebody else could write to, opened: whatever was forged in it, nothing of the machine is given, no
 * whole file is given that has not its MD5, nothing but what `open` keeps is written, and others are still answered.
 */
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { isMirrorError } from '../../core/errors.ts';
import { md5Of } from '../../core/identifiers.ts';
import { identifiersOf, placeOfNth } from '../../local/dicom/identifiers.ts';
import { type ArchiveScene, archiveForgeries, contentsOf, makeArchive } from '../support/hostile-archive.ts';
import { type Answered, ask } from '../support/open/ask.ts';
import { openSite, type Site } from '../support/open/site.ts';

const mostGrowthBytes = 400 << 20;
let genuine: ArchiveScene;
let all: string;
let passwords: string;

beforeAll(async () => {
  all = await mkdtemp(join(tmpdir(), 'open-forged-'));
  genuine = await makeArchive(join(all, 'genuine'));
  passwords = await readFile('/etc/passwd', 'latin1');
});
afterAll(() => rm(all, { recursive: true, force: true }));

/** What is asked of every archive: each kind of answer, of the genuine study and its instances. */
function addresses({ study, instances }: ArchiveScene): readonly string[] {
  const { studyInstanceUid } = identifiersOf(placeOfNth('genuine', 0));
  const dicomweb = `/dicom-web/studies/${studyInstanceUid}`;
  return [
    '/page/archive',
    '/page/studies',
    '/dicom-web/studies?includefield=all',
    '/dicom-web/instances',
    '/studies?expand',
    '/instances?expand',
    '/patients',
    `/page/studies/${study}`,
    `/studies/${study}`,
    `/studies/${study}/labels`,
    `/studies/${study}/metadata?expand`,
    `/studies/${study}/attachments/1025/data`,
    `/studies/${study}/archive`,
    dicomweb,
    `${dicomweb}/metadata`,
    `${dicomweb}/thumbnail`,
    ...instances.flatMap(({ id }) => [
      `/instances/${id}`,
      `/instances/${id}/file`,
      `/page/instances/${id}/history`,
      `/page/instances/${id}/proof`,
    ]),
  ];
}

/** Fails on what nobody expected. @returns `undefined` where the answer breaks off, as it does where bytes are not what they should be. */
async function answerOf({ routes }: Site, address: string): Promise<Answered | undefined> {
  try {
    return await ask(routes, address, { accept: '*/*' });
  } catch (error) {
    if (isMirrorError(error)) return undefined;
    throw error;
  }
}

/** What is archived, by key: `open` keeps what it read below `state/`. */
async function archivedIn({ folder }: ArchiveScene) {
  const contents = await contentsOf(folder).catch(() => undefined);
  return contents && new Map([...contents].filter(([key]) => !key.startsWith('state/')));
}

describe('opened although it was forged', () => {
  test.each(archiveForgeries)('$name', async ({ forge }) => {
    const base = await mkdtemp(join(all, 'case-'));
    onTestFinished(() => rm(base, { recursive: true, force: true }));
    const scene = { ...genuine, folder: join(base, 'archive') };
    await cp(genuine.folder, scene.folder, { recursive: true, preserveTimestamps: true });
    await forge(scene);
    const before = await archivedIn(scene);
    const memoryBytes = process.memoryUsage.rss();
    const site = await openSite(scene.folder).catch((error: unknown) => {
      if (isMirrorError(error)) return undefined;
      throw error;
    });
    if (site === undefined) return;
    await site.reader.surveyed().catch(() => undefined);
    const md5s = new Map<string, string>(scene.instances.map(({ id, md5 }) => [`/instances/${id}/file`, md5]));
    for (const address of addresses(scene)) {
      const answer = await answerOf(site, address);
      if (answer === undefined) continue;
      expect(answer.bytes.includes(passwords), address).toBe(false);
      const md5 = answer.status === 200 ? md5s.get(address) : undefined;
      if (md5 !== undefined) expect(md5Of(answer.bytes), address).toBe(md5);
    }
    expect((await ask(site.routes, '/system')).status).toBe(200);
    expect(process.memoryUsage.rss() - memoryBytes).toBeLessThan(mostGrowthBytes);
    expect(await archivedIn(scene)).toEqual(before);
  });
});
