/** The part of an archive that holds the backups of one host, as the options name it, and the keys to them. */
import { MirrorError } from '../../core/errors.ts';
import { type HostKeys, hostBackupsFolder, hostKeys, isHostName } from '../../core/host/backup/backup-keys.ts';
import { Keyring, readPassphrase } from '../../core/host/backup/backup-secrets.ts';
import { openObjectStorage, parseArchiveLocation } from '../../core/stores/archive/archive-location.ts';
import type { ObjectStorage } from '../../core/stores/archive/object-storage.ts';
import type { CommandContext } from '../command-context.ts';
import type { BackupCommandOptions } from './options.ts';

/** Opens the archive; throws `configuration` if none is named. */
export async function openBackupArchive({ archive, endpoint }: BackupCommandOptions): Promise<ObjectStorage> {
  if (archive === undefined) throw new MirrorError('configuration', 'name the archive by --archive');
  return openObjectStorage(parseArchiveLocation(archive), { endpoint });
}

/** The keys of the passphrase that the options name; `undefined` if they name none. Warns of a short one. */
export async function optionalKeyring(
  { passphraseFile }: BackupCommandOptions,
  { terminal }: CommandContext,
): Promise<Keyring | undefined> {
  if (passphraseFile === undefined) return undefined;
  const { text, risk } = await readPassphrase(passphraseFile);
  if (risk !== undefined) terminal.warn(risk);
  return new Keyring(text);
}

/** The same for a command that is of no use without. Throws `configuration`. */
export async function keyringOf(options: BackupCommandOptions, context: CommandContext): Promise<Keyring> {
  const keyring = await optionalKeyring(options, context);
  if (keyring !== undefined) return keyring;
  throw new MirrorError(
    'configuration',
    'give --passphrase-file FILE: with its passphrase backups are authenticated, and their configuration is encrypted',
  );
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

/** The names of all hosts that have backups; folders that no host of ours is called by are passed over. */
export async function listHosts(objects: ObjectStorage): Promise<string[]> {
  const found = await Array.fromAsync(objects.listFolders(hostBackupsFolder));
  return found.map((folder) => folder.slice(hostBackupsFolder.length, -1)).filter(isHostName);
}
