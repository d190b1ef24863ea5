/** The course of a host backup: files first while the server is in use, the index at one moment, then what came since. */
import { join } from 'node:path';
import type { CallOptions } from '../../call-options.ts';
import { isMirrorError, MirrorError } from '../../errors.ts';
import { makeWorkFolder } from '../../orthanc-disk/files/work-folder.ts';
import type { IndexedFile } from '../../orthanc-disk/index/index-reader.ts';
import type { OrthancHost } from '../../orthanc-disk/orthanc-host.ts';
import { FolderStorage } from '../../orthanc-disk/storage/folder-storage.ts';
import { allFolders } from '../../orthanc-disk/storage/storage-folders.ts';
import type { LeaseUse } from '../../stores/archive/lease.ts';
import type { ObjectStorage } from '../../stores/archive/object-storage.ts';
import { type HostKeys, newBackupId } from './backup-keys.ts';
import { underBackupLease } from './backup-lease.ts';
import type { BackupKeys, Keyring } from './backup-secrets.ts';
import type { CapturedIndex, CaptureIndex } from './capture.ts';
import { captureIndexOf } from './capture-host.ts';
import { readSavedDocument, saveDocument } from './documents.ts';
import { type ListedFile, readFileList, writeFileList } from './file-list.ts';
import { type AuthenticBackup, findNewest, writeManifest } from './found-backups.ts';
import { HeldFiles, holdFiles } from './held-files.ts';
import { KnownFiles } from './known-files.ts';
import type { BackupManifest } from './manifest.ts';
import { saveAhead } from './save-ahead.ts';
import { type FileSources, type RefusedFile, type SaveTotals, saveListed } from './save-listed.ts';
import { saveConfiguration } from './saved-configuration.ts';
import type { PauseCommands } from './server-pause.ts';

export interface BackupOptions extends CallOptions {
  /** Stops and starts the server; without it the server goes on. */
  readonly commands?: PauseCommands | undefined;
  /** Authenticates the backup and encrypts the configuration. */
  readonly keyring: Keyring;
  /** Leaves the configuration out. */
  readonly omitConfiguration: boolean;
  /** Saves a server of which files are missing; otherwise a running one is then refused. */
  readonly allowMissing: boolean;
  /** How many times the index of a running server is taken until every file that it names is there. */
  readonly tries: number;
  readonly workFolder?: string | undefined;
  readonly onSaved?: ((sizeBytes: number) => void) | undefined;
}

export interface BackupResult {
  readonly manifest: BackupManifest;
  /** Files copied by this run; all others were in the archive already. */
  readonly copiedFiles: number;
  /** Rows whose file is missing or unreadable, and rows whose file has other bytes than the index says. */
  readonly missing: readonly IndexedFile[];
  readonly damaged: readonly IndexedFile[];
  /** Rows whose file was not read, because it is no regular file below the storage. */
  readonly refused: readonly RefusedFile[];
  readonly stoppedMs: number | undefined;
  /** The server could not be started again. */
  readonly startError: Error | undefined;
  /** Earlier backups of this host that the passphrase does not authenticate, and that are newer than all that it does. */
  readonly unprovenBefore: number;
}

/**
 * Backs up a host. Until the manifest is written the backup does not exist; what was copied before an error is used by
 * the next run. Throws `configuration`, `changed-meanwhile` (no consistent copy of a running server), `source-corrupt`
 * (damaged index), `full`, `busy`, `lease-lost`, and what the archive throws.
 */
export function backUpHost(
  host: OrthancHost,
  objects: ObjectStorage,
  keys: HostKeys,
  options: BackupOptions,
): Promise<BackupResult> {
  return underBackupLease(objects, keys, options.signal, (lease) =>
    new Backup(host, objects, keys, options, lease).run(),
  );
}

/** One run; what its steps share. */
class Backup {
  readonly #host: OrthancHost;
  readonly #objects: ObjectStorage;
  readonly #keys: HostKeys;
  readonly #options: BackupOptions;
  readonly #lease: LeaseUse;
  /** Of calls to the archive. */
  readonly #call: CallOptions;

  constructor(host: OrthancHost, objects: ObjectStorage, keys: HostKeys, options: BackupOptions, lease: LeaseUse) {
    this.#host = host;
    this.#objects = objects;
    this.#keys = keys;
    this.#options = { ...options, signal: lease.signal };
    this.#lease = lease;
    this.#call = { signal: lease.signal };
  }

  async run(): Promise<BackupResult> {
    const { commands, keyring, omitConfiguration, workFolder } = this.#options;
    await using work = await makeWorkFolder(workFolder);
    const { newest, newerUnproven } = await findNewest(this.#objects, this.#keys, keyring, this.#call);
    // One salt for all backups of a host: it is costly to derive keys.
    const secrets = newest?.keys ?? (await keyring.newKeys());
    const configuration = omitConfiguration
      ? null
      : await saveConfiguration(this.#objects, this.#keys, this.#host, secrets, this.#call);
    await using files = await this.#openFiles(work.path);
    const ahead = files === undefined ? 0 : await this.#saveAhead(files, newest);
    const captured = await this.#capture(captureIndexOf(this.#host, work.path, commands), files);
    try {
      const saved = await this.#save(captured, files, configuration, secrets);
      return {
        ...saved,
        copiedFiles: ahead + saved.copiedFiles,
        unprovenBefore: newerUnproven.length,
        stoppedMs: captured.stoppedMs,
        startError: captured.startError,
      };
    } finally {
      await captured.release();
    }
  }

  /** `undefined` where the files lie in the database. */
  async #openFiles(work: string): Promise<OpenSources | undefined> {
    const { storage } = this.#host;
    if (storage.kind !== 'folder') return undefined;
    const folder = await FolderStorage.open(storage.folders);
    const known = await KnownFiles.create(join(work, 'known'));
    const held = new HeldFiles(join(work, 'files'));
    return {
      storage: folder,
      known,
      held,
      [Symbol.asyncDispose]: async () => {
        await held[Symbol.asyncDispose]();
        await known[Symbol.asyncDispose]();
        await folder.close();
      },
    };
  }

  #saveAhead({ storage, known }: FileSources, newest: AuthenticBackup | undefined): Promise<number> {
    const before = newest === undefined ? nothing() : this.#filesOf(newest);
    return saveAhead({ storage, known }, { objects: this.#objects, keys: this.#keys }, before, this.#options);
  }

  /** As far as the list can be read: files that it does not name are read once more. */
  async *#filesOf({ manifest }: AuthenticBackup): AsyncGenerator<ListedFile> {
    try {
      yield* readFileList(readSavedDocument(this.#objects, this.#keys, manifest.storage.list, this.#call));
    } catch (error) {
      if (!isMirrorError(error, 'source-corrupt', 'archive-format')) throw error;
    }
  }

  /** Takes the index until every file that it names is archived or held. */
  async #capture(capture: CaptureIndex, files: FileSources | undefined): Promise<CapturedIndex> {
    const { allowMissing, tries } = this.#options;
    for (let attempt = 1; ; attempt += 1) {
      const { captured, seen } = await capture(
        async (index) =>
          files === undefined ? [] : holdFiles(index, files.storage, files.known, files.held, this.#options),
        this.#options,
      );
      // Of a stopped server nothing can be deleted meanwhile: what is missing was missing before.
      if (seen.length === 0 || captured.method === 'stopped' || allowMissing) return captured;
      await captured.release();
      if (attempt >= tries) {
        throw new MirrorError(
          'changed-meanwhile',
          `${seen.length} files that the index names are missing in each of ${attempt} tries, the first is ` +
            `${seen[0]?.uuid}; audit the host, or let the backup stop the server, or allow for missing files`,
          { advice: 'stop-server' },
        );
      }
    }
  }

  async #save(
    captured: CapturedIndex,
    files: FileSources | undefined,
    configuration: BackupManifest['configuration'],
    secrets: BackupKeys,
  ): Promise<Pick<BackupResult, 'manifest' | 'copiedFiles' | 'missing' | 'damaged' | 'refused'>> {
    const { storage } = this.#host;
    const document = await saveDocument(this.#objects, this.#keys, captured.content(), this.#call);
    const totals: SaveTotals = { files: 0, bytes: 0, copied: 0, missing: [], damaged: [], refused: [] };
    const listed =
      files === undefined
        ? nothing()
        : saveListed(captured.reader, files, { objects: this.#objects, keys: this.#keys }, totals, this.#options);
    const list = await saveDocument(this.#objects, this.#keys, writeFileList(listed), this.#call);
    const { schema, revision, instances } = await captured.reader.describe();
    const takenAt = new Date();
    const manifest: BackupManifest = {
      backup: newBackupId(takenAt),
      host: this.#keys.host,
      takenAt: takenAt.toISOString(),
      method: captured.method,
      index: {
        kind: captured.kind,
        schema: schema ?? null,
        revision: revision ?? null,
        instances: instances ?? null,
        path: captured.path ?? null,
        document,
      },
      storage: {
        folders: storage.kind === 'folder' ? [...allFolders(storage.folders)] : [],
        files: totals.files,
        bytes: totals.bytes,
        missing: totals.missing.length + totals.refused.length,
        damaged: totals.damaged.length,
        list,
      },
      configuration,
    };
    await this.#lease.confirm();
    await writeManifest(this.#objects, this.#keys, manifest, secrets, this.#call);
    const { copied: copiedFiles, missing, damaged, refused } = totals;
    return { manifest, copiedFiles, missing, damaged, refused };
  }
}

type OpenSources = FileSources & AsyncDisposable;

async function* nothing(): AsyncGenerator<never> {}
