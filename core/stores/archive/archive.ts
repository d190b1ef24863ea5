/** An archive as a store: every version of every instance, each written once under its id and MD5. */
import { MirrorError } from '../../errors.ts';
import type { InstanceId, Md5 } from '../../identifiers.ts';
import type {
  CallOptions,
  DestinationStore,
  InstanceBytes,
  InstanceIdentity,
  InventoryEntry,
  InventoryOptions,
  OpenInstance,
  OpenOptions,
  StoreOutcome,
} from '../store.ts';
import { afterInstance, folders, instanceFolder, instanceKey, parseKey } from './keys.ts';
import { type ArchiveManifest, type ArchiveSource, createManifest, readManifest } from './manifest.ts';
import type { ObjectEntry, ObjectStorage, OpenObject } from './object-storage.ts';

/** One version of an instance in an archive. */
export interface ArchivedVersion extends InventoryEntry {
  readonly md5: Md5;
  readonly sizeBytes: number;
  /** When the archive received this version. */
  readonly archivedAt: Date;
}

export interface OpenArchiveOptions extends CallOptions {
  /** If the place is empty, makes it an archive of this source. Otherwise an absent archive is an error. */
  readonly createFor?: ArchiveSource | undefined;
}

/**
 * Opens the archive that lies in a storage, which the archive then owns. Throws `archive-format` if there is none (and
 * none may be created), if something else lies there, or if its format is newer; and what the storage throws.
 */
export async function openArchive(objects: ObjectStorage, options: OpenArchiveOptions = {}): Promise<Archive> {
  const { createFor, ...call } = options;
  const manifest =
    (await readManifest(objects, call)) ??
    (createFor === undefined ? undefined : await createManifest(objects, createFor, call));
  if (manifest === undefined) {
    throw new MirrorError(
      'archive-format',
      `${objects.name} holds no archive (there is no archive.json); check the address, or mirror to it first`,
    );
  }
  return new Archive(objects, manifest);
}

/** An open archive; made by {@link openArchive}. */
export class Archive implements DestinationStore {
  readonly name: string;
  readonly manifest: ArchiveManifest;
  /** Where it lies: for study documents, removals, state and reports, which have modules of their own. */
  readonly objects: ObjectStorage;

  constructor(objects: ObjectStorage, manifest: ArchiveManifest) {
    this.name = objects.name;
    this.objects = objects;
    this.manifest = manifest;
  }

  /** The inventory with the time of each version. Objects in `instances/` that are not of the format are passed over. */
  async *inventory(options: InventoryOptions = {}): AsyncGenerator<ArchivedVersion> {
    const { after, signal } = options;
    const afterKey = after === undefined ? undefined : afterInstance(after);
    for await (const object of this.objects.list(folders.instances, { after: afterKey, signal })) {
      const version = archivedVersion(object);
      if (version !== undefined) {
        yield version;
      }
    }
  }

  async lookup(id: InstanceId, options: CallOptions = {}): Promise<readonly ArchivedVersion[]> {
    const versions: ArchivedVersion[] = [];
    for await (const object of this.objects.list(instanceFolder(id), options)) {
      const version = archivedVersion(object);
      if (version !== undefined) {
        versions.push(version);
      }
    }
    return versions;
  }

  /** Without `md5`, opens the version that the archive received last. */
  async open(id: InstanceId, options: OpenOptions = {}): Promise<OpenInstance> {
    const { signal } = options;
    const md5 = options.md5 ?? newestOf(await this.lookup(id, { signal }))?.md5;
    const object = md5 === undefined ? undefined : await this.objects.get(instanceKey(id, md5), { signal });
    if (object === undefined || md5 === undefined) {
      throw new MirrorError('vanished', `${this.name} does not hold instance ${id}${md5 ? ` with MD5 ${md5}` : ''}`);
    }
    return asInstance(id, md5, object);
  }

  /**
   * Other bytes under the same id are another version beside the first, never a conflict. The bytes are hashed while
   * they are written; nothing appears in the archive unless they have the promised size and MD5. Throws `hash-wrong` if
   * the archive holds an object of another size under this id and MD5: it is damaged and is not overwritten.
   */
  async store(instance: InstanceIdentity, body: InstanceBytes, options: CallOptions = {}): Promise<StoreOutcome> {
    const { id, md5, sizeBytes } = instance;
    const key = instanceKey(id, md5);
    const outcome = await this.objects.putOnce(key, body, {
      sizeBytes,
      md5,
      contentType: 'application/dicom',
      signal: options.signal,
    });
    if (outcome === 'created') {
      return { kind: 'stored' };
    }
    const held = await this.objects.head(key, options);
    if (held?.sizeBytes !== sizeBytes) {
      throw damagedVersion(this.name, instance, held?.sizeBytes);
    }
    return { kind: 'already-equal' };
  }

  /**
   * Puts right bytes in the place of a version whose object was found damaged; what was there is kept aside, see
   * {@link ObjectStorage.supersede}. The bytes are verified as in {@link store}.
   */
  async supersede(instance: InstanceIdentity, body: InstanceBytes, options: CallOptions = {}): Promise<void> {
    const { id, md5, sizeBytes } = instance;
    const { signal } = options;
    await this.objects.supersede(instanceKey(id, md5), body, {
      sizeBytes,
      md5,
      contentType: 'application/dicom',
      signal,
    });
  }

  /** Closes the storage as well. */
  close(): Promise<void> {
    return this.objects.close();
  }
}

function archivedVersion({ key, sizeBytes, lastModified }: ObjectEntry): ArchivedVersion | undefined {
  const parsed = parseKey(key);
  return parsed?.kind === 'instance'
    ? { id: parsed.id, md5: parsed.md5, sizeBytes, archivedAt: lastModified }
    : undefined;
}

/** @returns the version that was received last; of those received in the same moment, the one of the greatest MD5. */
function newestOf(versions: readonly ArchivedVersion[]): ArchivedVersion | undefined {
  return versions.reduce<ArchivedVersion | undefined>(
    (newest, version) => (newest === undefined || version.archivedAt >= newest.archivedAt ? version : newest),
    undefined,
  );
}

function asInstance(id: InstanceId, md5: Md5, object: OpenObject): OpenInstance {
  const { sizeBytes, body } = object;
  return { id, md5, sizeBytes, idIsProven: true, body, cancel: () => object.cancel() };
}

function damagedVersion(name: string, { id, md5, sizeBytes }: InstanceIdentity, heldBytes: number | undefined) {
  return heldBytes === undefined
    ? new MirrorError('changed-meanwhile', `${name}: instance ${id} was there and then was not`)
    : new MirrorError(
        'hash-wrong',
        `${name}: instance ${id} with MD5 ${md5} has ${heldBytes} bytes in the archive instead of ${sizeBytes}; ` +
          'run `orthanc-mirror verify --repair`',
      );
}
