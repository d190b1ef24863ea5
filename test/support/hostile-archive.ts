/**
 * An archive of a mirror, and what somebody who may write to its bucket or folder can do to it. Nobody else's secret is
 * needed for that: what an archive says is believed only as far as a hash proves it.
 */
import { execFileSync } from 'node:child_process';
import { mkdir, readdir, readFile, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type InstanceId, isInstanceId, md5Of, type OrthancId, orthancIdOf } from '../../core/identifiers.ts';
import { archiveSidecar } from '../../core/sidecars/archive-sidecar.ts';
import { patientSidecarSchema, studySidecarSchema } from '../../core/sidecars/sidecar.ts';
import { sidecarHash } from '../../core/sidecars/sidecar-state.ts';
import { openArchive } from '../../core/stores/archive/archive.ts';
import { FolderObjects } from '../../core/stores/archive/folder-objects.ts';
import { recordBytes } from '../../core/stores/archive/history-record.ts';
import {
  attachmentKey,
  historyKey,
  instanceKey,
  manifestKey,
  parseKey,
  stateKey,
  studyFolder,
  studyKey,
} from '../../core/stores/archive/keys.ts';
import { type GeneratedInstance, generateInstance } from '../../local/dicom/generate.ts';
import { identifiersOf, placeOfNth } from '../../local/dicom/identifiers.ts';
import type { Forgery } from './forgery.ts';

/** A genuine archive of three instances of one study, with sidecars and an attachment. */
export interface ArchiveScene {
  readonly folder: string;
  readonly instances: readonly [GeneratedInstance, GeneratedInstance, GeneratedInstance];
  readonly study: OrthancId;
  readonly patient: OrthancId;
  readonly attachment: Uint8Array;
}

const seed = 'genuine';
const archivedAt = new Date('2026-11-21T03:02:01.123Z');

export async function makeArchive(folder: string): Promise<ArchiveScene> {
  const [first, second, third] = [0, 1, 2].map((n) => generateInstance(placeOfNth(seed, n), 4096));
  if (first === undefined || second === undefined || third === undefined) throw new Error('no instances');
  const { patientId, studyInstanceUid, seriesInstanceUid } = identifiersOf(placeOfNth(seed, 0));
  const study = orthancIdOf(patientId, studyInstanceUid);
  const patient = orthancIdOf(patientId);
  const attachment = Buffer.from('a report that a user attached');
  const objects = new FolderObjects(folder);
  const archive = await openArchive(objects, { createFor: { name: 'main' } });
  const instances = [first, second, third] as const;
  for (const instance of instances) await archive.store(instance, instance.bytes);
  const content = {
    labels: ['genuine'],
    metadata: { '1024': 'genuine' },
    attachments: { '1025': { md5: md5Of(attachment), sizeBytes: attachment.length } },
  };
  const options = {
    attachments: async () => ({
      sizeBytes: attachment.length,
      body: [attachment] as never,
      cancel: () => undefined,
    }),
    now: () => archivedAt,
    onFinding: () => undefined,
  };
  const patientSidecar = { format: 'orthanc-mirror-patient', version: 1, id: patient, protected: false };
  await archiveSidecar(objects, patientSidecarSchema.parse(patientSidecar), options);
  const series = orthancIdOf(patientId, studyInstanceUid, seriesInstanceUid);
  const records = instances.map(({ id, md5, sizeBytes }) => ({ id, md5, sizeBytes, fileUuid: null }));
  const studySidecar = {
    format: 'orthanc-mirror-study',
    version: 1,
    id: study,
    patientId: patient,
    tags: { StudyDate: '20261121', StudyInstanceUID: studyInstanceUid },
    ...content,
    series: [{ id: series, instances: records.toSorted((a, b) => (a.id < b.id ? -1 : 1)) }],
  };
  await archiveSidecar(objects, studySidecarSchema.parse(studySidecar), options);
  await archive.close();
  return { folder, instances, study, patient, attachment };
}

export interface ArchiveForgery extends Forgery<ArchiveScene> {
  /** What was forged; each kind is forged at least once. */
  readonly of: 'keys' | 'manifest' | 'history' | 'sidecar' | 'attachment' | 'catalogue' | 'state' | 'instance';
  /** Commands that must end with another exit code than 0; the others may pass it over, as what nobody believes. */
  readonly toldBy: readonly ('restore' | 'restoreAt' | 'verify' | 'find')[];
}

async function put({ folder }: ArchiveScene, key: string, bytes: string | Uint8Array): Promise<void> {
  const path = join(folder, key);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, bytes);
}

function idOf(name: string): InstanceId {
  const id = orthancIdOf(name);
  if (!isInstanceId(id)) throw new Error('no id');
  return id;
}

/** Where the newest sidecar of the study lies, and what it says. */
async function sidecarOf(scene: ArchiveScene): Promise<{ readonly key: string; readonly text: string }> {
  const names = (await readdir(join(scene.folder, studyFolder(scene.study)))).toSorted();
  const key = `${studyFolder(scene.study)}${names.at(-1)}`;
  return { key, text: await readFile(join(scene.folder, key), 'utf8') };
}

/** Replaces it by one whose key tells the hash of what is in it: whoever may write can calculate one, too. */
async function rewriteSidecar(scene: ArchiveScene, change: (text: string) => string | Uint8Array): Promise<void> {
  const { key, text } = await sidecarOf(scene);
  const bytes = Buffer.from(change(text));
  await rm(join(scene.folder, key));
  await put(scene, key.replace(/[0-9a-f]{8}(?=\.json$)/, sidecarHash(bytes)), bytes);
}

/** Adds a sidecar that is newer than the genuine one. */
async function addSidecar(scene: ArchiveScene, change: (document: Record<string, unknown>) => unknown): Promise<void> {
  const { text } = await sidecarOf(scene);
  const bytes = Buffer.from(JSON.stringify(change(JSON.parse(text))));
  await put(scene, studyKey(scene.study, new Date('2026-11-21T04:00:00.000Z'), sidecarHash(bytes)), bytes);
}

function keyOf(instance: GeneratedInstance): string {
  return instanceKey(instance.id, instance.md5);
}

const manifestText = (more: string) =>
  `{"format":"orthanc-mirror-archive","version":1,"createdAt":"2026-11-21T03:02:01.123Z","source":{"name":"main"}${more}}`;

const ofInstances: readonly ArchiveForgery[] = [
  {
    name: 'other bytes under the key of an instance',
    of: 'instance',
    forge: (scene) => put(scene, keyOf(scene.instances[0]), Buffer.alloc(4096, 'forged')),
    toldBy: ['restore', 'verify'],
  },
  {
    name: 'an instance cut to nothing',
    of: 'instance',
    forge: (scene) => put(scene, keyOf(scene.instances[0]), ''),
    toldBy: ['restore', 'verify'],
  },
  {
    name: 'an instance with something behind it',
    of: 'instance',
    forge: (scene) =>
      put(scene, keyOf(scene.instances[0]), Buffer.concat([scene.instances[0].bytes, Buffer.from('x')])),
    toldBy: ['restore', 'verify'],
  },
  {
    name: 'an instance under the id of another',
    of: 'instance',
    forge: ({ instances: [first], ...scene }) =>
      put({ instances: [first, first, first], ...scene }, instanceKey(idOf('nobody'), first.md5), first.bytes),
    toldBy: [],
  },
  {
    name: 'a link to another file in the place of an instance',
    of: 'instance',
    forge: async (scene) => {
      const path = join(scene.folder, keyOf(scene.instances[0]));
      await rm(path);
      await symlink('/etc/passwd', path);
    },
    toldBy: [],
  },
];

const ofKeys: readonly ArchiveForgery[] = [
  {
    name: 'folders and files of names that no archive has',
    of: 'keys',
    forge: async (scene) => {
      for (const key of [
        'instances/..%2f..%2fetc/x.dcm',
        `instances/${scene.instances[0].id}/../../x`,
        `instances/${scene.instances[0].id}/${'A'.repeat(32)}.dcm`,
        `instances/${scene.instances[0].id}\n/${scene.instances[0].md5}.dcm`,
        'instances/\u001b[2J/x.dcm',
        `studies/${scene.study}/99999999T999999.999Z-00000000.json`,
        `studies/${scene.study}/${'9'.repeat(200)}.json`,
        'history/x.json',
        'history/../x.json',
      ]) {
        await put(scene, key, 'forged');
      }
    },
    toldBy: [],
  },
  {
    name: 'a folder of instances that is a link to another folder',
    of: 'keys',
    forge: async (scene) => {
      const away = `${scene.folder}-elsewhere`;
      await rename(join(scene.folder, 'instances'), away);
      await symlink(away, join(scene.folder, 'instances'));
    },
    toldBy: ['restore', 'verify'],
  },
];

const ofManifests: readonly ArchiveForgery[] = [
  ['of a newer format', '{"format":"orthanc-mirror-archive","version":999}'],
  ['of another program', '{"format":"other","version":1}'],
  ['that is no JSON', '\u001b[2J{'],
  ['with a key twice', manifestText(',"version":1')],
  ['with __proto__', manifestText(',"__proto__":{"version":2}')],
  ['nested a million deep', '['.repeat(1_000_000)],
].map(
  ([name, text = '']): ArchiveForgery => ({
    name: `a manifest ${name}`,
    of: 'manifest',
    forge: (scene) => put(scene, manifestKey, text),
    toldBy: ['restore', 'verify', 'find'],
  }),
);

const ofSpecialManifests: readonly ArchiveForgery[] = [
  {
    name: 'a pipe as the manifest',
    of: 'manifest',
    forge: async ({ folder }) => {
      await rm(join(folder, manifestKey));
      execFileSync('mkfifo', [join(folder, manifestKey)]);
    },
    toldBy: ['restore', 'verify', 'find'],
  },
  {
    name: 'a manifest of more bytes than are read',
    of: 'manifest',
    forge: (scene) => put(scene, manifestKey, Buffer.alloc(65 * 1024 * 1024, ' ')),
    toldBy: ['restore', 'verify', 'find'],
  },
];

const ofHistory: readonly ArchiveForgery[] = [
  {
    name: 'a record of removal of another form',
    of: 'history',
    forge: (scene) => put(scene, `history/${scene.instances[0].id}/later.json`, 'forged'),
    toldBy: [],
  },
  {
    name: 'a record of removal that is a huge file',
    of: 'history',
    forge: (scene) =>
      put(scene, historyKey({ id: scene.instances[0].id, number: 1, what: 'removed' }), Buffer.alloc(66_000_000)),
    toldBy: ['restoreAt', 'verify'],
  },
  {
    name: 'instances that claim to come from the year 1970 and from the year 2099',
    of: 'history',
    forge: async (scene) => {
      const paths = scene.instances.map((instance) => join(scene.folder, keyOf(instance)));
      for (const [index, path] of paths.entries()) {
        const at = new Date(index === 0 ? '1970-01-01T00:00:00Z' : '2099-01-01T00:00:00Z');
        await utimes(path, at, at);
      }
    },
    toldBy: [],
  },
  {
    name: 'records of imports of instances that nobody has',
    of: 'history',
    forge: async (scene) => {
      for (let n = 0; n < 500; n += 1) {
        const md5 = scene.instances[0].md5;
        await put(scene, historyKey({ id: idOf(`nobody ${n}`), number: 1, what: 'imported', md5 }), '{}');
      }
    },
    toldBy: ['verify'],
  },
];

const ofRecords: readonly ArchiveForgery[] = (
  [
    ['that is cut', (text) => text.slice(0, text.length / 2)],
    ['that is no UTF-8', (text) => Buffer.from(text.replace('run', 'r\xfcn'), 'latin1')],
    ['with a time that is none', (text) => text.replace('2026-11-21', '2026-11-31')],
    ['with two times', (text) => text.replace('"at"', '"at": "1970-01-01T00:00:00.000Z", "at"')],
    ['that tells of another instance than its key', (text) => text.replace(/"id": "[^"]*/, '"id": "x')],
    ['that tells of another version than its key', (text) => text.replace(/"md5": "[^"]*/, '"md5": "x')],
    ['that tells of a removal, which its key does not', (text) => text.replace('"current"', '"removed"')],
  ] satisfies readonly [string, (text: string) => string | Uint8Array][]
).map(
  ([name, change]): ArchiveForgery => ({
    name: `a record ${name}`,
    of: 'history',
    forge: (scene) => {
      const [{ id, md5 }] = scene.instances;
      const record = { id, number: 1, what: 'current', md5 } as const;
      const genuine = recordBytes({ ...record, at: archivedAt }, { writer: 'run', origin: 'object' });
      return put(scene, historyKey(record), change(Buffer.from(genuine).toString()));
    },
    toldBy: ['restoreAt', 'verify'],
  }),
);

const ofSidecars: readonly ArchiveForgery[] = [
  {
    name: 'a sidecar that is cut',
    of: 'sidecar',
    forge: (scene) => rewriteSidecar(scene, (text) => text.slice(0, text.length / 2)),
    toldBy: ['restore'],
  },
  {
    name: 'a sidecar of 63 MB in which every item is wrong',
    of: 'sidecar',
    forge: (scene) =>
      rewriteSidecar(scene, () => `{"format":"orthanc-mirror-study","labels":[${'{"a":[0]},'.repeat(6_300_000)}0]}`),
    toldBy: ['restore'],
  },
  {
    name: 'a sidecar of more bytes than are read',
    of: 'sidecar',
    forge: (scene) => rewriteSidecar(scene, () => Buffer.alloc(65 * 1024 * 1024, ' ')),
    toldBy: ['restore'],
  },
  {
    name: 'a sidecar with a key twice',
    of: 'sidecar',
    forge: (scene) => rewriteSidecar(scene, (text) => text.replace('"labels"', '"labels": [], "labels"')),
    toldBy: ['restore'],
  },
  {
    name: 'a sidecar with __proto__',
    of: 'sidecar',
    forge: (scene) => rewriteSidecar(scene, (text) => text.replace('"1024"', '"__proto__"')),
    toldBy: ['restore'],
  },
  {
    name: 'a sidecar that is no UTF-8',
    of: 'sidecar',
    forge: (scene) => rewriteSidecar(scene, (text) => Buffer.from(text.replace('genuine', 'genuin\xe9'), 'latin1')),
    toldBy: ['restore'],
  },
  {
    name: 'a newer sidecar that writes metadata of Orthanc itself',
    of: 'sidecar',
    forge: (scene) => addSidecar(scene, (document) => ({ ...document, metadata: { '1': 'forged' } })),
    toldBy: ['restore'],
  },
  {
    name: 'a newer sidecar with an attachment that leads elsewhere',
    of: 'sidecar',
    forge: (scene) =>
      addSidecar(scene, (document) => ({
        ...document,
        attachments: { '../../../x': { md5: '../../../../etc/passwd', sizeBytes: 1 } },
      })),
    toldBy: ['restore'],
  },
  {
    name: 'a newer sidecar with an attachment of less than no bytes',
    of: 'sidecar',
    forge: (scene) =>
      addSidecar(scene, (document) => ({
        ...document,
        attachments: { '1025': { md5: '0'.repeat(32), sizeBytes: -1 } },
      })),
    toldBy: ['restore'],
  },
];

const ofAttachments: readonly ArchiveForgery[] = [
  {
    name: 'other bytes under the key of an attachment',
    of: 'attachment',
    forge: (scene) => put(scene, attachmentKeyOf(scene), Buffer.from('A report that a user attached')),
    toldBy: ['restore'],
  },
  {
    name: 'an attachment that is gone',
    of: 'attachment',
    forge: ({ folder, ...scene }) => rm(join(folder, attachmentKeyOf({ folder, ...scene }))),
    toldBy: ['restore'],
  },
  {
    name: 'an attachment that is longer than its sidecar says',
    of: 'attachment',
    forge: (scene) => put(scene, attachmentKeyOf(scene), Buffer.alloc(1024 * 1024)),
    toldBy: ['restore'],
  },
];

function attachmentKeyOf({ study, attachment }: ArchiveScene): string {
  return attachmentKey('studies', study, 1025, md5Of(attachment));
}

const ofState: readonly ArchiveForgery[] = [
  {
    name: 'a catalogue that is no JSON',
    of: 'catalogue',
    forge: (scene) => put(scene, stateKey(`catalogue/${scene.study.charAt(0)}`), '{'),
    toldBy: [],
  },
  {
    name: 'a catalogue of 60 MB in which every entry is wrong',
    of: 'catalogue',
    forge: (scene) =>
      put(
        scene,
        stateKey(`catalogue/${scene.study.charAt(0)}`),
        `{"version":1,"studies":[${'{"study":1},'.repeat(3_500_000)}0]}`,
      ),
    toldBy: [],
  },
  {
    name: 'a lease that never ends, and state of another form',
    of: 'state',
    forge: async (scene) => {
      await put(scene, stateKey('lease'), '{"owner":"x","fencing":1,"expiresAtMs":9007199254740991}');
      await put(scene, stateKey('schedule'), '{"version":1,"cursor":{"position":-1}}');
      await put(scene, stateKey('pause'), '[]');
      await put(scene, stateKey('missing'), '{"version":1,"previous":[["x","y"]]}');
    },
    toldBy: [],
  },
  {
    name: 'links in the place of temporary files and of the lock',
    of: 'state',
    forge: async ({ folder }) => {
      const lock = join(folder, '.tmp/state.lock');
      await rm(lock, { force: true });
      await mkdir(dirname(lock), { recursive: true });
      await symlink('/etc/passwd', lock);
    },
    toldBy: [],
  },
];

export const archiveForgeries: readonly ArchiveForgery[] = [
  ...ofInstances,
  ...ofKeys,
  ...ofManifests,
  ...ofSpecialManifests,
  ...ofHistory,
  ...ofRecords,
  ...ofSidecars,
  ...ofAttachments,
  ...ofState,
];

/** Everything in an archive that is no state, by key, with the MD5 of its bytes: what no command may change. */
export async function contentsOf(folder: string): Promise<ReadonlyMap<string, string>> {
  const objects = new FolderObjects(folder);
  const found = new Map<string, string>();
  for await (const { key } of objects.list('')) {
    const kind = parseKey(key)?.kind;
    if (kind !== 'state' && kind !== 'report') found.set(key, md5Of(await readFile(join(folder, key))));
  }
  await objects.close();
  return found;
}
