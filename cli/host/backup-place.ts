/** The part of an archive that holds the backups of one host, as the options name it. */
import { MirrorError } from '../../core/errors.ts';
import { type HostKeys, hostBackupsFolder, hostKeys } from '../../core/host/backup/backup-keys.ts';
import { openObjectStorage, parseArchiveLocation } from '../../core/stores/archive/archive-location.ts';
import type { ObjectStorage } from '../../core/stores/archive/object-storage.ts';
import type { BackupCommandOptions } from '../commands/backup.ts';

/** Opens the archive; throws `configuration` if none is named. */
export function openBackupArchive({ archive, endpoint }: BackupCommandOptions): ObjectStorage {
  if (archive === undefined) throw new MirrorError('configuration', 'name the archive by --archive');
  return openObjectStorage(parseArchiveLocation(archive), { endpoint });
}

/** The keys of the named host, or of the only host that has backups. Throws `configuration` if that is not clear. */
export async function existingHostKeys(objects: ObjectStorage, { host }: BackupCommandOptions): Promise<HostKeys> {
  if (host !== undefined) return hostKeys(host);
  const hosts = await listHosts(objects);
  const [only] = hosts;
  if (only === undefined) throw new MirrorError('configuration', `${objects.name} holds no host backups`);
  if (hosts.length > 1)
    throw new MirrorError('configuration', `name one of these hosts by --host: ${hosts.join(', ')}`);
  return hostKeys(only);
}

/** The names of all hosts that have backups. */
export async function listHosts(objects: ObjectStorage): Promise<string[]> {
  const found = await Array.fromAsync(objects.listFolders(hostBackupsFolder));
  return found.map((folder) => folder.slice(hostBackupsFolder.length, -1));
}
