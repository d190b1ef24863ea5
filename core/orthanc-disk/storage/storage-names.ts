/** How Orthanc and its plugins name the files of a storage area (ORTHANC.md, section 2). */

/** The part that a file plays in a storage area, as far as its name tells. */
export interface StorageRole {
  /** Lower-case uuid of the attachment. */
  readonly uuid: string;
  /**
   * - `unknown`: no extension: plain storage, or legacy layout of the object-storage plugin.
   * - `instance`: `.dcm`
   * - `header`: `.dcm.head`, or `dcm.head` without dot in plugin 1.2.x
   * - `summary`: `.json`
   * - `attachment`: `.unk`: user attachments, and headers in plugin 1.2.0 to 1.3.0
   */
  readonly content: 'unknown' | 'instance' | 'header' | 'summary' | 'attachment';
  /** Whether the name ends in `.enc`. */
  readonly isEncrypted: boolean;
}

const uuid = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}';
const wholeUuid = new RegExp(`^${uuid}$`);
const storageName = new RegExp(`(?:^|/)(${uuid})(\\.dcm\\.head|dcm\\.head|\\.dcm|\\.json|\\.unk)?(\\.enc)?$`);
const contents: Readonly<Record<string, StorageRole['content']>> = {
  '.dcm': 'instance',
  '.dcm.head': 'header',
  'dcm.head': 'header',
  '.json': 'summary',
  '.unk': 'attachment',
};

/** @returns whether a name is a uuid as Orthanc gives them to its files. */
export function isUuid(name: string): boolean {
  return wholeUuid.test(name);
}

/** Where Orthanc itself puts a file, below the storage folder (FilesystemStorage.cpp); the legacy layout of buckets. */
export function storagePath(uuid: string): string {
  return `${uuid.slice(0, 2)}/${uuid.slice(2, 4)}/${uuid}`;
}

/**
 * Reads the name of a file or object as Orthanc's storage names it: `<ab>/<cd>/<uuid>` of plain storage
 * (FilesystemStorage.cpp) and of the legacy layout of the object-storage plugin, or `<uuid>.<extension>` of its flat
 * layout (BaseStorage.cpp).
 */
export function storageRoleOf(path: string): StorageRole | undefined {
  const match = storageName.exec(path);
  const name = match?.[1];
  if (match === null || name === undefined) {
    return undefined;
  }
  const extension = match[2];
  const isEncrypted = match[3] !== undefined;
  if (extension === undefined) {
    return path.endsWith(storagePath(name)) ? { uuid: name, content: 'unknown', isEncrypted } : undefined;
  }
  return { uuid: name, content: contents[extension] ?? 'unknown', isEncrypted };
}
