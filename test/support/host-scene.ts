/**
 * The host of an Orthanc that does not run: configuration, SQLite index and storage on disk, and an archive in a folder.
 * Enough for everything about host backups that needs no server.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type BackupOptions, type BackupResult, backUpHost } from '../../core/host/backup/back-up-host.ts';
import { backupKey, type HostKeys, hostKeys, newBackupId } from '../../core/host/backup/backup-keys.ts';
import { type BackupKeys, Keyring } from '../../core/host/backup/backup-secrets.ts';
import { readAuthentic } from '../../core/host/backup/found-backups.ts';
import type { BackupManifest } from '../../core/host/backup/manifest.ts';
import { sealManifest } from '../../core/host/backup/sealed-manifest.ts';
import { md5Of } from '../../core/identifiers.ts';
import { readOrthancHost } from '../../core/orthanc-disk/orthanc-host.ts';
import { storagePath } from '../../core/orthanc-disk/storage/storage-names.ts';
import { FolderObjects } from '../../core/stores/archive/folder-objects.ts';
import { type FileRow, makeIndexFile, newUuid } from './index-files.ts';

const hostPassphrase = 'correct horse battery staple';

/** Derives its key once per test file, which takes half a second: all hosts of a test have one salt. */
class KeyringOfOneSalt extends Keyring {
  #keys: Promise<BackupKeys> | undefined;

  override newKeys(): Promise<BackupKeys> {
    this.#keys ??= super.newKeys();
    return this.#keys;
  }
}

export const hostKeyring = new KeyringOfOneSalt(hostPassphrase);

export class HostScene implements AsyncDisposable {
  /** Holds everything of this scene. */
  readonly root: string;
  readonly storage: string;
  readonly index: string;
  readonly configPath: string;
  readonly archive: string;
  readonly passphrasePath: string;
  readonly objects: FolderObjects;
  readonly keys: HostKeys = hostKeys('pacs');
  readonly rows: FileRow[] = [];

  /** @param options of Orthanc's configuration beside the usual */
  constructor(options: Readonly<Record<string, unknown>> = {}) {
    this.root = mkdtempSync(join(tmpdir(), 'host-scene-'));
    this.storage = join(this.root, 'orthanc', 'storage');
    this.index = join(this.storage, 'index');
    this.configPath = join(this.root, 'etc', 'orthanc.json');
    this.archive = join(this.root, 'archive');
    this.passphrasePath = join(this.root, 'passphrase');
    mkdirSync(this.storage, { recursive: true });
    mkdirSync(dirname(this.configPath));
    mkdirSync(this.archive);
    writeFileSync(this.passphrasePath, `${hostPassphrase}\n`, { mode: 0o600 });
    const password = 'a password of the configuration';
    writeFileSync(
      this.configPath,
      JSON.stringify({ StorageDirectory: this.storage, RegisteredUsers: { a: password }, ...options }),
      { mode: 0o640 },
    );
    this.objects = new FolderObjects(this.archive);
  }

  /** Puts a file into the storage and its row into the index. @returns its path. */
  addFile(bytes: Uint8Array = randomBytes(2000), row: Partial<FileRow> = {}): string {
    const uuid = row.uuid ?? newUuid();
    const path = join(this.storage, storagePath(uuid));
    writeRested(path, bytes);
    this.rows.push({ uuid, sizeBytes: bytes.length, md5: md5Of(bytes), ...row });
    return path;
  }

  /** Adds a row without a file at Orthanc's own place. */
  addRow(row: Partial<FileRow>, bytes: Uint8Array = Buffer.alloc(0)): string {
    const uuid = newUuid();
    this.rows.push({ uuid, sizeBytes: bytes.length, md5: md5Of(bytes), ...row });
    return uuid;
  }

  /** Writes the index anew, with all rows. */
  writeIndex(): void {
    rmSync(this.index, { force: true });
    makeIndexFile(this.index, 6, this.rows);
  }

  async backUp(options: Partial<BackupOptions> = {}): Promise<BackupResult> {
    this.writeIndex();
    return this.backUpAgain(options);
  }

  /** With the index as it is. */
  async backUpAgain(options: Partial<BackupOptions> = {}, keys = this.keys): Promise<BackupResult> {
    return backUpHost(await readOrthancHost(this.configPath, {}), this.objects, keys, {
      keyring: hostKeyring,
      omitConfiguration: false,
      allowMissing: true,
      tries: 1,
      ...options,
    });
  }

  /** Makes a backup one of an earlier time, as if it had been made then. @returns its name. */
  async backDate(manifest: BackupManifest, takenAt: Date): Promise<string> {
    const { keys } = await readAuthentic(this.objects, this.keys, manifest.backup, hostKeyring);
    const backup = newBackupId(takenAt);
    const path = this.objectPath(backupKey(this.keys, backup));
    writeFileSync(path, sealManifest({ ...manifest, backup, takenAt: takenAt.toISOString() }, keys));
    utimesSync(path, takenAt, takenAt);
    rmSync(this.objectPath(backupKey(this.keys, manifest.backup)));
    return backup;
  }

  /** The path of an object of the archive. */
  objectPath(key: string): string {
    return join(this.archive, key);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.objects.close();
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** Writes a file that nobody takes for one that is still growing. */
export function writeRested(path: string, bytes: Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, bytes);
  const past = new Date(Date.now() - 60_000);
  utimesSync(path, past, past);
}
