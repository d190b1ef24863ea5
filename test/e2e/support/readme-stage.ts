/** What the commands of the README run on: three real servers, one of which holds five instances, and a folder. */
import { open, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { generateInstances } from '../../../local/dicom/generate.ts';
import { identifiersOf, placeOfNth } from '../../../local/dicom/identifiers.ts';
import type { OrthancServer as Server } from '../../../local/orthanc-server.ts';
import type { Words } from './readme-blocks.ts';
import { folderForTest, serverForTest, storeAll } from './scene.ts';

export type { Server };

export const instances = [...generateInstances('readme', 5, 4096)];

export interface ReadmeStage {
  readonly words: Words;
  readonly folder: string;
  readonly archive: string;
  readonly source: Server;
  readonly target: Server;
  readonly newServer: Server;
}

/** Starts everything; it is gone when the test has finished. */
export async function setStage(): Promise<ReadmeStage> {
  const servers = await Promise.all([serverForTest(), serverForTest(), serverForTest()]);
  const [source, target, newServer] = servers;
  const folder = await folderForTest();
  await storeAll(source, instances);
  await writeFile(join(folder, 'password'), 'secret\n');
  await writeFile(join(folder, 'passphrase'), 'correct horse battery staple\n');
  const archive = join(folder, 'archive');
  const { patientId, studyInstanceUid } = identifiersOf(placeOfNth('readme', 0));
  const words = new Map([
    ['http://localhost:8042', source.url],
    ['http://standby:8042', target.url],
    ['http://new-server:8042', newServer.url],
    ['/var/backups/orthanc', archive],
    ['/etc/orthanc-mirror/password', join(folder, 'password')],
    ['/etc/orthanc-mirror/passphrase', join(folder, 'passphrase')],
    ['/etc/orthanc', source.configPath],
    ['mirror.jsonc', join(folder, 'mirror.jsonc')],
    ['import.jsonl', join(folder, 'import.jsonl')],
    ['/tmp/restored', join(folder, 'restored')],
    ['/tmp/images.zip', join(folder, 'images.zip')],
    ['/srv/restored', join(folder, 'back')],
    ['/data/dicom', join(folder, 'dicom')],
    ['1.2.840.99999.1', studyInstanceUid],
    ['--patient 4711', `--patient ${patientId}`],
    // Whenever the test runs, the archive was written between these days.
    ['2026-11-01', '2000-01-01'],
    ['2026-11-21', '2999-12-31'],
  ]);
  return { words, folder, archive, source, target, newServer };
}

/** Takes one file from the storage of a server, and lets it forget what it has in memory. */
export async function loseOneFile(server: Server): Promise<void> {
  // The storage of Orthanc: aa/bb/aabb….
  const [lost] = (await readdir(server.storageFolder, { recursive: true })).filter((name) => /^(..\/){2}/.test(name));
  if (lost === undefined) throw new Error('the server holds no file');
  await rm(join(server.storageFolder, lost));
  await server.restart();
}

/** Changes one byte of one instance in an archive folder. */
export async function damageOneFile(archive: string): Promise<void> {
  const [name] = (await readdir(archive, { recursive: true })).filter((path) => path.endsWith('.dcm'));
  if (name === undefined) throw new Error('the archive holds no instance');
  const file = await open(join(archive, name), 'r+');
  try {
    await file.write(Buffer.from('X'), 0, 1, 2000);
  } finally {
    await file.close();
  }
}
