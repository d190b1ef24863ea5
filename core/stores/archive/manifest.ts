/** `archive.json`: what says that a place is an archive, in which format, and of which server. */
import * as z from 'zod';
import type { CallOptions } from '../../call-options.ts';
import { MirrorError } from '../../errors.ts';
import { listOf } from '../../json.ts';
import { documentBytes, readDocument } from './json-document.ts';
import { folders, manifestKey } from './keys.ts';
import type { ObjectStorage } from './object-storage.ts';

/** The format that this program reads and writes. */
const formatVersion = 1;

const sourceSchema = z.object({
  /** How the configuration calls the source. */
  name: z.string().min(1),
  /** Orthanc's `DatabaseServerIdentifier`, where the source tells one. */
  serverIdentifier: z.string().min(1).optional(),
});

const manifestSchema = z.object({
  format: z.literal('orthanc-mirror-archive'),
  version: z.literal(formatVersion),
  createdAt: z.iso.datetime(),
  /** The one source that the archive belongs to. */
  source: sourceSchema,
  /** Those that it belonged to before, the first one first, with the time at which the next took its place. */
  predecessors: listOf(sourceSchema.extend({ until: z.iso.datetime() })).default([]),
});

/** The rest of a newer manifest may look different. */
const newerManifestSchema = z.object({
  format: z.literal('orthanc-mirror-archive'),
  version: z.int().gt(formatVersion),
});

/** The server whose instances an archive was made for. */
export type ArchiveSource = z.infer<typeof sourceSchema>;
export type ArchiveManifest = z.infer<typeof manifestSchema>;

/**
 * Reads `archive.json`; `undefined` if there is none. Throws `archive-format` if it is damaged or of a format that this
 * program does not know.
 */
export async function readManifest(
  objects: ObjectStorage,
  options?: CallOptions,
): Promise<ArchiveManifest | undefined> {
  const document = await readDocument(objects, manifestKey, z.union([manifestSchema, newerManifestSchema]), options);
  const manifest = document?.value;
  if (manifest === undefined || 'source' in manifest) {
    return manifest;
  }
  throw new MirrorError(
    'archive-format',
    `${objects.name}: the archive has format version ${manifest.version}, this program knows version ` +
      `${formatVersion}; use a newer version of orthanc-mirror`,
  );
}

/**
 * Makes an empty place an archive, and @returns its manifest, or the one of another process that was quicker. Throws
 * `archive-format` if anything else than state and reports lies there already.
 */
export async function createManifest(
  objects: ObjectStorage,
  source: ArchiveSource,
  options: CallOptions = {},
): Promise<ArchiveManifest> {
  await objects.prepare(options);
  await refuseForeignObjects(objects, options);
  const manifest: ArchiveManifest = {
    format: 'orthanc-mirror-archive',
    version: formatVersion,
    createdAt: new Date().toISOString(),
    source,
    predecessors: [],
  };
  const bytes = documentBytes(manifest);
  const outcome = await objects.putOnce(manifestKey, bytes, {
    sizeBytes: bytes.length,
    contentType: 'application/json',
    ...options,
  });
  const present = outcome === 'created' ? manifest : await readManifest(objects, options);
  if (present === undefined) {
    throw new MirrorError('changed-meanwhile', `${objects.name}: ${manifestKey} was there and then was not`);
  }
  return present;
}

/**
 * Writes down that another server takes the place of the archive's source, for good. @returns the manifest then. Throws
 * `changed-meanwhile` if another process wrote it since.
 */
export async function succeedSource(
  objects: ObjectStorage,
  source: ArchiveSource,
  until: Date,
  options: CallOptions = {},
): Promise<ArchiveManifest> {
  const present = await readDocument(objects, manifestKey, manifestSchema, options);
  if (present === undefined) throw new MirrorError('archive-format', `${objects.name}: there is no ${manifestKey}`);
  const { value: before, etag } = present;
  const predecessors = [...before.predecessors, { ...before.source, until: until.toISOString() }];
  const manifest = { ...before, source, predecessors };
  const outcome = await objects.replaceIf(manifestKey, documentBytes(manifest), etag, options);
  if (outcome !== 'changed') return manifest;
  throw new MirrorError('changed-meanwhile', `${objects.name}: ${manifestKey} was written by another process`);
}

async function refuseForeignObjects(objects: ObjectStorage, options: CallOptions): Promise<void> {
  const own = [manifestKey, folders.state, folders.reports, folders.hostBackups];
  for await (const { key } of objects.list('', options)) {
    if (!own.some((prefix) => key.startsWith(prefix))) {
      throw new MirrorError(
        'archive-format',
        `${objects.name} is not empty and has no ${manifestKey}: choose an empty place, or put ${manifestKey} back`,
      );
    }
  }
}
