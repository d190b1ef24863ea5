/** The course of a host backup: files first while the server is in use, the index at one moment, then what came since. */
import { MirrorError } from '../../errors.ts';
import type { ObjectStorage } from '../../stores/archive/object-storage.ts';
import type { CallOptions } from '../../stores/store.ts';
import type { IndexedFile } from '../index/index-reader.ts';
import type { OrthancHost } from '../orthanc-host.ts';
import { openFolderStorage } from '../storage/folder-storage.ts';
import { SortedUuids } from './archived-files.ts';
import type { HostKeys } from './backup-keys.ts';
import { withBackupLock } from './backup-lock.ts';
import type { CapturedIndex, CaptureIndex } from './capture.ts';
import { captureIndexOf } from './capture-host.ts';
import { saveDocument } from './documents.ts';
import { writeFileList } from './file-list.ts';
import { type BackupManifest, writeManifest } from './manifest.ts';
import { saveAhead } from './save-ahead.ts';
import { type SaveTotals, saveListed } from './save-listed.ts';
import { saveConfiguration } from './saved-configuration.ts';
import type { PauseCommands } from './server-pause.ts';
import { stageFiles } from './stage-files.ts';
import { makeWorkFolders, type WorkFolders } from './work-folders.ts';

export interface BackupOptions extends CallOptions {
  /** Stops and starts the server; without it the server goes on. */
  readonly commands?: PauseCommands | undefined;
  /** Encrypts the configuration; `undefined`: the configuration is left out. */
  readonly passphrase: string | undefined;
  /** Saves a server of which files are missing; otherwise a running one is then refused. */
  readonly allowMissing: boolean;
  /** How many times the index of a running server is taken until every file that it names is there. */
  readonly tries: number;
  readonly workFolder?: string | undefined;
  readonly onSaved?: ((sizeBytes: number) => void) | undefined;
}

export interface BackupResult {
  readonly id: string;
  readonly manifest: BackupManifest;
  /** Files copied by this run; all others were in the archive already. */
  readonly copiedFiles: number;
  /** Rows whose file is missing or unreadable, and rows whose file has other bytes than the index says. */
  readonly missing: readonly IndexedFile[];
  readonly damaged: readonly IndexedFile[];
  readonly stoppedMs: number | undefined;
  /** The server could not be started again. */
  readonly startError: Error | undefined;
}

/**
 * Backs up a host. Until the manifest is written the backup does not exist; what was copied before an error is used by
 * the next run. Throws `configuration`, `changed-meanwhile` (no consistent copy of a running server), `source-corrupt`
 * (damaged index), `full`, `busy`, and what the archive throws.
 */
export function backUpHost(
  host: OrthancHost,
  objects: ObjectStorage,
  keys: HostKeys,
  options: BackupOptions,
): Promise<BackupResult> {
  return withBackupLock(objects, keys, async () => {
    const folder = host.storage.kind === 'folder' ? host.storage.folder : undefined;
    await using work = await makeWorkFolders(folder, options.workFolder);
    const configuration =
      options.passphrase === undefined
        ? undefined
        : await saveConfiguration(objects, keys, host, options.passphrase, options);
    const ahead = folder === undefined ? undefined : await saveFolderAhead(folder, objects, keys, options);
    const capture = captureIndexOf(host, work.copies, options.commands);
    const captured = await captureWhole(capture, folder, ahead?.archived ?? new SortedUuids(), work, options);
    try {
      return await save(
        captured,
        { folder, links: work.links, copied: ahead?.copied ?? 0, configuration },
        objects,
        keys,
        options,
      );
    } finally {
      await captured.release();
    }
  });
}

async function saveFolderAhead(folder: string, objects: ObjectStorage, keys: HostKeys, options: BackupOptions) {
  const { signal, onSaved } = options;
  const storage = await openFolderStorage(folder);
  return saveAhead(storage, objects, keys, { signal, ...(onSaved === undefined ? {} : { onSaved }) });
}

/** Takes the index until every file that it names is archived or held by a link. */
async function captureWhole(
  capture: CaptureIndex,
  folder: string | undefined,
  archived: SortedUuids,
  work: WorkFolders,
  options: BackupOptions,
): Promise<CapturedIndex> {
  for (let attempt = 1; ; attempt += 1) {
    const { captured, seen } = await capture(
      async (index) => (folder === undefined ? [] : (await stageFiles(index, folder, archived, work.links)).missing),
      options,
    );
    // Of a stopped server nothing can be deleted meanwhile: what is missing was missing before.
    if (seen.length === 0 || captured.method === 'stopped' || options.allowMissing) return captured;
    await captured.release();
    if (attempt >= options.tries) {
      throw new MirrorError(
        'changed-meanwhile',
        `${seen.length} files that the index names are missing in each of ${attempt} tries, the first is ` +
          `${seen[0]?.uuid}; run "orthanc-mirror audit", use --stop and --start, or --allow-missing`,
      );
    }
  }
}

interface SaveContext {
  readonly folder: string | undefined;
  readonly links: string;
  readonly copied: number;
  readonly configuration: BackupManifest['configuration'];
}

async function save(
  captured: CapturedIndex,
  context: SaveContext,
  objects: ObjectStorage,
  keys: HostKeys,
  options: BackupOptions,
): Promise<BackupResult> {
  const { folder, links, copied, configuration } = context;
  const { signal } = options;
  const document = await saveDocument(objects, keys, captured.content(), { signal });
  const totals: SaveTotals = { files: 0, bytes: 0, copied: 0, missing: [], damaged: [] };
  const listed =
    folder === undefined ? nothing() : saveListed(captured.reader, { folder, links }, objects, keys, totals, options);
  const list = await saveDocument(objects, keys, writeFileList(listed), { signal });
  const { schema, revision, instances } = await captured.reader.describe();
  const manifest: BackupManifest = {
    format: 'orthanc-mirror-host-backup',
    version: 1,
    host: keys.host,
    takenAt: new Date().toISOString(),
    method: captured.method,
    index: { kind: captured.kind, schema, revision, instances, path: captured.path, document },
    storage: {
      folder,
      files: totals.files,
      bytes: totals.bytes,
      missing: totals.missing.length,
      damaged: totals.damaged.length,
      list,
    },
    configuration,
  };
  const id = await writeManifest(objects, keys, manifest, { signal });
  return {
    id,
    manifest,
    copiedFiles: copied + totals.copied,
    missing: totals.missing,
    damaged: totals.damaged,
    stoppedMs: captured.stoppedMs,
    startError: captured.startError,
  };
}

async function* nothing(): AsyncGenerator<never> {}
