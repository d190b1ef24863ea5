import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Keyring } from '../../core/host/backup/backup-secrets.ts';
import { manifestSchema } from '../../core/host/backup/manifest.ts';
import { sealManifest } from '../../core/host/backup/sealed-manifest.ts';
import { changed, type Fields, type HostArchive } from './forged-host-archive.ts';
import type { Forgery } from './forgery.ts';

const evil = Buffer.from('forged');
const evilUuid = 'ffffffff-ffff-4fff-bfff-ffffffffffff';
const future = '29990101T000000.000Z-00000000';

function evilDatabase(folder: string): Buffer {
  const path = join(folder, 'evil.sqlite');
  rmSync(path, { force: true });
  const database = new DatabaseSync(path);
  database.exec("CREATE TABLE Resources(a); CREATE VIEW b AS SELECT load_extension('/tmp/evil.so')");
  database.close();
  const bytes = readFileSync(path);
  rmSync(path);
  return bytes;
}

function overwrite(path: string, change: (bytes: Buffer) => Buffer): void {
  writeFileSync(path, change(readFileSync(path)));
}

const flipped = (bytes: Buffer): Buffer => Buffer.from(bytes.map((byte) => byte ^ 0xff));

/** Whoever has a passphrase of their own can make backups that are consistent in themselves. */
async function sealedByForger(archive: HostArchive, id: string, changes: Fields): Promise<void> {
  const manifest = manifestSchema.parse(changed(archive.manifest(), changes));
  const keys = await new Keyring('the passphrase of the forger').newKeys();
  writeFileSync(archive.manifestPath(id), sealManifest(manifest, keys));
}

/** Adds a line to the list of files. */
function addLine(archive: HostArchive, line: Fields): void {
  archive.changeList((lines) => [...lines, { ...archive.file(evilUuid, evil), ...line }]);
}

/** Copies everything of another host's backups. */
function addBackupsOf(host: string, archive: HostArchive): void {
  for (const part of ['files', 'blobs', 'backups']) {
    cpSync(archive.path('..', host, part), archive.path(part), { recursive: true });
  }
}

/**
 * At least two backups must be there, of two configuration files each, one of a host `other` with another passphrase,
 * and one of a host `twin` with the same.
 */
export const hostBackupForgeries: readonly Forgery<HostArchive>[] = [
  // Paths.
  {
    name: 'lists a file with an absolute path',
    forge: (archive) => addLine(archive, { folder: 0, path: `${archive.victim}/absolute` }),
  },
  {
    name: 'lists a file above its folder',
    forge: (archive) => addLine(archive, { folder: 0, path: '../../victim/above' }),
  },
  {
    name: 'lists a file of a folder that the manifest does not name',
    forge: (archive) => addLine(archive, { folder: 99, path: 'a' }),
  },
  {
    name: 'names another folder for the storage',
    forge: (archive) => archive.set({ 'storage.folders': [archive.victim] }),
  },
  {
    name: 'names another place for the index',
    forge: (archive) => archive.set({ 'index.path': `${archive.victim}/index` }),
  },
  {
    name: 'names another place for the configuration',
    forge: (archive) => archive.set({ 'configuration.files.0.path': `${archive.victim}/orthanc.json` }),
  },
  {
    name: 'names a configuration file ".."',
    forge: (archive) => archive.set({ 'configuration.files.0.path': '/etc/..' }),
  },
  // Rights.
  {
    name: 'makes a configuration file setuid and executable',
    forge: (archive) => archive.set({ 'configuration.files.0.mode': 0o4755 }),
  },
  // Parts that are gone, exchanged or added.
  { name: 'takes the configuration away', forge: (archive) => archive.set({ configuration: null }) },
  { name: 'takes the field of the configuration away', forge: (archive) => archive.set({ configuration: undefined }) },
  {
    name: 'takes one configuration file away',
    forge: (archive) => archive.set({ 'configuration.files': archive.manifest().configuration?.files.slice(0, 1) }),
  },
  {
    name: 'exchanges two configuration files',
    forge: (archive) => {
      const [first, second] = archive.manifest().configuration?.files ?? [];
      archive.set({
        'configuration.files.0.encrypted': second?.encrypted,
        'configuration.files.1.encrypted': first?.encrypted,
      });
    },
  },
  {
    name: 'puts the configuration of an older backup into the newest',
    forge: (archive) => archive.set({ configuration: archive.manifest(archive.oldest).configuration }),
  },
  {
    name: 'puts the index of an older backup into the newest',
    forge: (archive) => archive.set({ index: archive.manifest(archive.oldest).index }),
  },
  {
    name: 'puts another database in the place of the index',
    forge: (archive) => archive.set({ 'index.document': archive.document(evilDatabase(archive.victim)) }),
  },
  { name: 'empties the list of files', forge: (archive) => archive.changeList(() => []) },
  { name: 'leaves one file out of the list', forge: (archive) => archive.changeList((lines) => lines.slice(1)) },
  {
    name: 'cuts the list of files',
    forge: (archive) => {
      const list = archive.bytesOf(archive.manifest().storage.list);
      archive.set({ 'storage.list': archive.document(list.subarray(0, -20)) });
    },
  },
  {
    name: 'says that the list has another size than it has',
    forge: (archive) => archive.set({ 'storage.list.sizeBytes': 1 }),
  },
  {
    name: 'lists a file of their own in the place of one',
    forge: (archive) =>
      archive.changeList(([first, ...others]) => [archive.file(String(first?.uuid), evil), ...others]),
  },
  {
    name: 'puts the list of an older backup into the newest',
    forge: (archive) => archive.set({ storage: archive.manifest(archive.oldest).storage }),
  },
  // Bytes under names that stay.
  { name: 'overwrites a storage file', forge: ({ firstFile }) => overwrite(firstFile, flipped) },
  { name: 'cuts a storage file', forge: ({ firstFile }) => truncateSync(firstFile, 5) },
  { name: 'blows a storage file up', forge: ({ firstFile }) => truncateSync(firstFile, 2 ** 40) },
  { name: 'removes a storage file', forge: ({ firstFile }) => rmSync(firstFile) },
  {
    name: 'adds a version of a storage file',
    forge: (archive) => void archive.file(basename(dirname(archive.firstFile)), evil),
  },
  { name: 'overwrites a piece of the index', forge: ({ indexPiece }) => overwrite(indexPiece, flipped) },
  { name: 'blows a piece of the index up', forge: ({ indexPiece }) => truncateSync(indexPiece, 2 ** 40) },
  { name: 'removes a piece of the index', forge: ({ indexPiece }) => rmSync(indexPiece) },
  // Names and times.
  {
    name: 'gives an old backup a newer name',
    forge: (archive) => cpSync(archive.manifestPath(archive.oldest), archive.manifestPath(future)),
  },
  {
    name: 'puts an old backup in the place of the newest',
    forge: (archive) => cpSync(archive.manifestPath(archive.oldest), archive.manifestPath(archive.newest)),
  },
  {
    name: 'renames the newest backup',
    forge: (archive) => renameSync(archive.manifestPath(archive.newest), archive.manifestPath(future)),
  },
  {
    name: 'makes a backup of the future',
    forge: (archive) => {
      const body = changed(archive.manifest(), { backup: future, takenAt: '2999-01-01T00:00:00.000Z' });
      archive.write(future, archive.header(), body);
    },
  },
  {
    name: 'makes backups of eleven days of the future',
    forge: (archive) => {
      for (let day = 10; day <= 20; day += 1) {
        const [backup, takenAt] = [`299901${day}T000000.000Z-00000000`, `2999-01-${day}T00:00:00.000Z`];
        archive.write(backup, archive.header(), changed(archive.manifest(), { backup, takenAt }));
      }
    },
  },
  { name: 'says that the backup is of another host', forge: (archive) => archive.set({ host: 'other' }) },
  {
    name: 'puts the backup of another host in the place of the newest',
    forge: (archive) => {
      const other = archive.path('..', 'other');
      for (const part of ['files', 'blobs']) cpSync(join(other, part), archive.path(part), { recursive: true });
      const [manifest = ''] = readdirSync(join(other, 'backups'));
      cpSync(join(other, 'backups', manifest), archive.manifestPath(archive.newest));
    },
  },
  {
    name: 'adds the backup of another host under its own name',
    forge: (archive) => addBackupsOf('other', archive),
  },
  {
    name: 'adds the backup of another host that has the same passphrase',
    forge: (archive) => addBackupsOf('twin', archive),
  },
  // A passphrase of their own.
  {
    name: 'makes a newer backup with a passphrase of their own',
    forge: (archive) => sealedByForger(archive, future, { backup: future, 'storage.folders': [archive.victim] }),
  },
  {
    name: 'seals the newest backup with a passphrase of their own',
    forge: (archive) => sealedByForger(archive, archive.newest, { 'index.path': `${archive.victim}/index` }),
  },
  // Forms.
  {
    name: 'writes huge numbers',
    forge: (archive) =>
      archive.set({
        'storage.files': 2 ** 53,
        'storage.list.pieces.0.sizeBytes': 1e300,
        'index.document.sizeBytes': -1,
      }),
  },
  {
    name: 'writes a field twice',
    forge: (archive) => {
      const index = JSON.stringify({ ...archive.manifest().index, path: `${archive.victim}/index` });
      const twice = JSON.stringify(archive.manifest()).replace('{', `{"index":${index},`);
      archive.write(archive.newest, archive.header(), twice);
    },
  },
  {
    name: 'writes the tag twice',
    forge: (archive) => {
      const header = JSON.stringify(archive.header()).replace('{', `{"tag":"${'0'.repeat(64)}",`);
      archive.write(archive.newest, header, changed(archive.manifest(), { 'storage.files': 0 }));
    },
  },
  {
    name: 'writes __proto__',
    forge: (archive) => {
      const text = JSON.stringify(archive.manifest()).replace('{', '{"__proto__":{"isAuthentic":true},');
      archive.write(archive.newest, archive.header(), text);
    },
  },
  {
    name: 'takes the tag away',
    forge: (archive) => archive.write(archive.newest, { ...archive.header(), tag: undefined }, archive.manifest()),
  },
  {
    name: 'empties the tag',
    forge: (archive) => archive.write(archive.newest, { ...archive.header(), tag: '' }, archive.manifest()),
  },
  {
    name: 'gives another salt',
    forge: (archive) =>
      archive.write(archive.newest, { ...archive.header(), salt: 'AAAAAAAAAAAAAAAAAAAAAA==' }, archive.manifest()),
  },
  {
    name: 'gives an endless salt',
    forge: (archive) =>
      archive.write(archive.newest, { ...archive.header(), salt: 'A'.repeat(2 ** 20) }, archive.manifest()),
  },
  { name: 'empties a manifest', forge: (archive) => writeFileSync(archive.manifestPath(archive.newest), '') },
  {
    name: 'writes a manifest without lines',
    forge: (archive) => writeFileSync(archive.manifestPath(archive.newest), Buffer.alloc(100_000, 0xff)),
  },
  {
    name: 'writes a manifest that is nested very deeply',
    forge: (archive) => archive.write(archive.newest, archive.header(), '['.repeat(1_000_000)),
  },
  {
    name: 'blows a manifest up',
    forge: (archive) => truncateSync(archive.manifestPath(archive.newest), 2 ** 40),
  },
  {
    name: 'puts a folder in the place of a manifest',
    forge: (archive) => {
      const path = archive.manifestPath(archive.newest);
      rmSync(path);
      mkdirSync(path);
      writeFileSync(join(path, 'x'), 'x');
    },
  },
  { name: 'removes the newest manifest', forge: (archive) => rmSync(archive.manifestPath(archive.newest)) },
  {
    name: 'gives a host a name that a terminal obeys',
    forge: (archive) => {
      const backups = archive.path('..', 'a\u001b[2Jb', 'backups');
      mkdirSync(backups, { recursive: true });
      cpSync(archive.manifestPath(archive.newest), join(backups, `${archive.newest}.json`));
    },
  },
  // Who is at work.
  {
    name: 'says that somebody else is at work, for ever',
    forge: (archive) =>
      writeFileSync(archive.leasePath, JSON.stringify({ owner: 'elsewhere/1/x', fencing: 7, expiresAtMs: 2 ** 52 })),
  },
  {
    name: 'writes nonsense where it says who is at work',
    forge: (archive) => writeFileSync(archive.leasePath, '{"owner": 3}'),
  },
];
