/** Telling user metadata from Orthanc's own, and finding the number of a named one. */

import type { MetadataValue } from './metadata-value.ts';
import { type ReadOptions, skipListOf } from './read-options.ts';
import { isUserNumber, type ResourceContent } from './sidecar.ts';
import { includesNumber } from './skip-list.ts';
import type { StudyCapabilities } from './study-server.ts';

/**
 * Orthanc's own metadata that does not follow from the DICOM file, by number from 1 (orthanc, ServerEnumerations.h);
 * servers before 1.12.0 list their names among others.
 */
export const systemMetadataNames = [
  'IndexInSeries',
  'ReceptionDate',
  'RemoteAET',
  'ExpectedNumberOfInstances',
  'ModifiedFrom',
  'AnonymizedFrom',
  'LastUpdate',
  'Origin',
  'TransferSyntax',
  'SopClassUid',
  'RemoteIP',
  'CalledAET',
  'HttpUsername',
  'HttpHost',
] as const;
const systemNames: ReadonlySet<string> = new Set(systemMetadataNames);

/** What the server's index notes for itself: follows from the DICOM file, and changes when the index is rebuilt. */
const bookkeeping = new Set(['MainDicomTagsSignature', 'MainDicomSequences', 'PixelDataOffset', 'PixelDataVR']);

type SortedMetadata = Pick<ResourceContent, 'metadata' | 'systemMetadata' | 'namedMetadata'>;

/** Sorts the metadata that a server lists by name or number. */
export function sortMetadata(
  listed: Readonly<Record<string, MetadataValue>>,
  capabilities: StudyCapabilities,
  options: ReadOptions,
): SortedMetadata {
  const sorted: SortedMetadata = { metadata: {}, systemMetadata: {}, namedMetadata: {} };
  const skipped = skipListOf(options).metadata;
  for (const [name, value] of Object.entries(listed)) {
    const number = numberOf(name, capabilities, options);
    if (number !== undefined && isUserNumber(number)) {
      if (!includesNumber(skipped, number)) sorted.metadata[number] = value;
    } else if (number !== undefined || isSystemName(name, capabilities)) {
      if (!bookkeeping.has(name)) sorted.systemMetadata[name] = value;
    } else {
      sorted.namedMetadata[name] = value;
    }
  }
  return sorted;
}

function numberOf(name: string, { metadataNumbers }: StudyCapabilities, options: ReadOptions): number | undefined {
  if (/^\d+$/.test(name)) return Number(name);
  return metadataNumbers?.[name] ?? options.metadataNumbers?.[name];
}

function isSystemName(name: string, { metadataNumbers }: StudyCapabilities): boolean {
  // A server that tells the numbers of all users' names has no other names than its own.
  return metadataNumbers !== undefined || systemNames.has(name) || bookkeeping.has(name);
}
