/**
 * Compares an index with its storage, in both directions and down to the bytes. On a running server files come and go
 * meanwhile; what looks like a difference is looked at a second time, in a second view of the index, before it is told.
 */

import type { CallOptions } from '../../call-options.ts';
import { isMirrorError } from '../../errors.ts';
import type { InstanceId } from '../../identifiers.ts';
import { type IndexedFile, type IndexReader, instanceOf } from '../../orthanc-disk/index/index-reader.ts';
import type { StorageArea, StoredFile } from '../../orthanc-disk/storage/storage-area.ts';
import { mapInOrder } from '../../streams/in-parallel.ts';
import { joinSorted } from '../../streams/merge-join.ts';
import type { AuditFinding } from './audit-finding.ts';

export interface AuditOptions extends CallOptions {
  /** Whether files are read and hashed, or only their sizes are compared. */
  readonly readBytes: boolean;
  /**
   * On an index in use, a file without a row is an orphan only when it is older than this: Orthanc writes the file
   * first and the row after it.
   */
  readonly marginMs: number;
  /** Uuids that a plugin is about to delete. */
  readonly pendingDeletions?: ReadonlySet<string> | undefined;
  readonly now?: () => number;
  /** Told after each row and each file that was looked at. */
  readonly onProgress?: (counts: AuditCounts) => void;
}

/** How much was looked at, and what was not judged. */
export interface AuditCounts {
  /** Rows of the index. */
  readonly rows: number;
  /** Files whose size, and hash where one is known, are as the index says. */
  readonly good: number;
  /** Files whose bytes were not compared: the index has no hash, or the storage encrypts. */
  readonly unhashed: number;
  /** Files without a row that are younger than the margin. */
  readonly young: number;
  /** Files without a row that are about to be deleted. */
  readonly pendingDeletion: number;
}

export interface AuditResult {
  readonly counts: AuditCounts;
  /** In ascending order of uuid. */
  readonly findings: readonly AuditFinding[];
}

/** How many files are read at once. */
const readAhead = 8;

type Judgement = AuditFinding | { readonly kind: 'good' | 'unhashed' | 'young' | 'pendingDeletion' };

/**
 * Compares an index with a storage.
 * @param openIndex opens a view of the index; called a second time if the index is in use and something was found.
 * Throws what index and storage throw; damaged or missing files are findings, never errors.
 */
export async function audit(
  openIndex: () => Promise<IndexReader>,
  storage: StorageArea,
  options: AuditOptions,
): Promise<AuditResult> {
  const index = await openIndex();
  let pass: { readonly counts: AuditCounts; readonly findings: AuditFinding[] };
  try {
    pass = await onePass(index, storage, options);
  } catch (error) {
    await index.close().catch(() => undefined);
    throw error;
  }
  await index.close();
  if (!index.live || pass.findings.length === 0) return pass;
  return { counts: pass.counts, findings: await confirm(pass.findings, openIndex, storage) };
}

async function onePass(
  index: IndexReader,
  storage: StorageArea,
  options: AuditOptions,
): Promise<{ readonly counts: AuditCounts; readonly findings: AuditFinding[] }> {
  const pending = new Set([...(await index.pendingDeletions()), ...(options.pendingDeletions ?? [])]);
  const counts = { rows: 0, good: 0, unhashed: 0, young: 0, pendingDeletion: 0 };
  const findings: AuditFinding[] = [];
  const pairs = joinSorted(
    index.files(),
    storage.list(options),
    ({ uuid }) => uuid,
    ({ uuid }) => uuid,
  );
  const judged = mapInOrder(pairs, readAhead, async ({ left, right }) => ({
    isRow: left !== undefined,
    judgement:
      left === undefined
        ? judgeUnknown(right, index.live, pending, options)
        : await judgeRow(left, right, storage, options),
  }));
  for await (const { isRow, judgement } of judged) {
    if (isRow) counts.rows += 1;
    if (judgement === undefined) continue;
    if ('stored' in judgement || 'file' in judgement) findings.push(judgement);
    else counts[judgement.kind] += 1;
    options.onProgress?.(counts);
  }
  return { counts, findings };
}

/** Judges a file that the index does not name. */
function judgeUnknown(
  stored: StoredFile | undefined,
  live: boolean,
  pending: ReadonlySet<string>,
  { marginMs, now = Date.now }: AuditOptions,
): Judgement | undefined {
  if (stored === undefined) return undefined;
  if (pending.has(stored.uuid)) return { kind: 'pendingDeletion' };
  if (live && now() - stored.modifiedAt.getTime() < marginMs) return { kind: 'young' };
  return { kind: 'orphan', stored };
}

/** Judges the file that a row names; `listed` is what lies at Orthanc's own place for it. */
async function judgeRow(
  file: IndexedFile,
  listed: StoredFile | undefined,
  storage: StorageArea,
  { readBytes, signal }: Pick<AuditOptions, 'readBytes' | 'signal'>,
): Promise<Judgement> {
  try {
    const stored = file.customPlace === undefined && listed !== undefined ? listed : await storage.find(file);
    if (stored === undefined) return { kind: 'missing', file };
    if (stored.sizeBytes !== storage.expectedBytes(stored, file.storedBytes))
      return { kind: 'wrong-size', file, stored };
    if (!readBytes || file.storedMd5 === undefined) return { kind: 'unhashed' };
    const content = await storage.hash(stored, { signal });
    if (content === undefined) return { kind: 'missing', file };
    if (content.sizeBytes !== stored.sizeBytes) {
      return { kind: 'wrong-size', file, stored: { ...stored, sizeBytes: content.sizeBytes } };
    }
    if (content.md5 === undefined) return { kind: 'unhashed' };
    return content.md5 === file.storedMd5 ? { kind: 'good' } : { kind: 'wrong-hash', file, stored, md5: content.md5 };
  } catch (error) {
    if (isMirrorError(error, 'source-corrupt', 'refused')) return { kind: 'unreadable', file, reason: error.message };
    throw error;
  }
}

/** Keeps the findings that a second look, at the index and the files as they are now, finds again. */
async function confirm(
  findings: readonly AuditFinding[],
  openIndex: () => Promise<IndexReader>,
  storage: StorageArea,
): Promise<AuditFinding[]> {
  const index = await openIndex();
  let present: ReadonlyMap<string, IndexedFile>;
  try {
    present = await index.among(new Set(findings.map((finding) => uuidOf(finding))));
  } finally {
    await index.close();
  }
  const confirmed: AuditFinding[] = [];
  for (const finding of findings) {
    const row = present.get(uuidOf(finding));
    if (await stillHolds(finding, row, storage)) confirmed.push(finding);
  }
  return confirmed;
}

async function stillHolds(finding: AuditFinding, row: IndexedFile | undefined, storage: StorageArea): Promise<boolean> {
  if (finding.kind === 'orphan') return row === undefined && (await storage.hash(finding.stored)) !== undefined;
  // The row went: the resource was deleted meanwhile, and its file with it.
  if (row === undefined) return false;
  return finding.kind !== 'missing' || (await storage.find(row).catch(unlessUnreadable)) === undefined;
}

/** A file that cannot be read is as good as missing. */
function unlessUnreadable(error: unknown): undefined {
  if (!isMirrorError(error, 'source-corrupt', 'refused')) throw error;
}

function uuidOf(finding: AuditFinding): string {
  return finding.kind === 'orphan' ? finding.stored.uuid : finding.file.uuid;
}

/** The instances whose DICOM file is missing or damaged: what a repair has to send again. Each once. */
export function instancesToRepair(findings: readonly AuditFinding[]): readonly InstanceId[] {
  const ids = findings.map((finding) => (finding.kind === 'orphan' ? undefined : instanceOf(finding.file)));
  return [...new Set(ids.filter((id) => id !== undefined))];
}
