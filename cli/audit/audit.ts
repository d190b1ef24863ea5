/** The work of `audit`: opens what it needs, prints what it finds. */
import { homedir } from 'node:os';
import { allEnvironmentVariables } from '../../core/environment.ts';
import { MirrorError } from '../../core/errors.ts';
import { type AuditCounts, type AuditOptions, audit, instancesToRepair } from '../../core/host/audit/audit.ts';
import { type AuditFinding, findingLine, findingRecord } from '../../core/host/audit/audit-finding.ts';
import { deleteQuarantined, quarantine, undoQuarantine } from '../../core/host/audit/quarantine.ts';
import type { InstanceId } from '../../core/identifiers.ts';
import { pendingDeletionsOf } from '../../core/orthanc-disk/index/delayed-deletion.ts';
import { openIndex } from '../../core/orthanc-disk/index/open-index.ts';
import { type IndexLocation, readOrthancHost, type StorageLocation } from '../../core/orthanc-disk/orthanc-host.ts';
import { bucketStorage } from '../../core/orthanc-disk/storage/bucket-storage.ts';
import { FolderStorage } from '../../core/orthanc-disk/storage/folder-storage.ts';
import type { StorageArea } from '../../core/orthanc-disk/storage/storage-area.ts';
import { oneFolder, withFolders } from '../../core/orthanc-disk/storage/storage-folders.ts';
import { openObjectStorage, parseArchiveLocation } from '../../core/stores/archive/archive-location.ts';
import { folders, parseKey } from '../../core/stores/archive/keys.ts';
import type { CommandContext } from '../command-context.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { formatCount } from '../format.ts';
import { namedIndex } from '../named-index.ts';
import { type ShownProgress, startProgress } from '../progress.ts';
import { repairAudited } from './audit-repair.ts';
import type { AuditCommandOptions } from './options.ts';

const defaultMarginMs = 5 * 60_000;

/** What is to be compared. */
interface AuditSubject {
  readonly index: IndexLocation;
  readonly storage: StorageArea;
  readonly pendingDeletions: ReadonlySet<string>;
}

/** @param values all option values, those of the server included */
export async function runAudit(
  options: AuditCommandOptions,
  values: unknown,
  context: CommandContext,
): Promise<ExitCode> {
  if (options.undo || options.deleteQuarantined) return keepQuarantine(options, context);
  const subject = await openSubject(options, context);
  using shown = startProgress(context.terminal, 'comparing index and storage');
  try {
    const { findings, counts } = await audit(
      () => openIndex(subject.index, { workFolder: options.work, signal: context.interruption }),
      subject.storage,
      auditOptions(options, subject, context, shown),
    );
    report(findings, counts, context);
    if (options.archive !== undefined) await tellRepairable(findings, options, context);
    if (options.quarantine !== undefined) await moveOrphans(findings, options.quarantine, context);
    const repaired = options.repair === true ? await repair(findings, options, values, context) : false;
    return findings.length === 0 || repaired ? exitCodes.ok : exitCodes.different;
  } finally {
    await subject.storage.close();
  }
}

/** @returns whether nothing that was found is left */
async function repair(
  findings: readonly AuditFinding[],
  options: AuditCommandOptions,
  values: unknown,
  context: CommandContext,
): Promise<boolean> {
  const wanted = instancesToRepair(findings);
  const repaired = await repairAudited(wanted, options, values, context);
  const orphans = findings.filter(({ kind }) => kind === 'orphan').length;
  return (
    repaired === wanted.length &&
    wanted.length === findings.length - orphans &&
    (orphans === 0 || options.quarantine !== undefined)
  );
}

async function openSubject(options: AuditCommandOptions, context: CommandContext): Promise<AuditSubject> {
  if (options.config === undefined) {
    if (options.index === undefined || options.storage === undefined) {
      throw new MirrorError('configuration', "give Orthanc's configuration by --config, or both --index and --storage");
    }
    const storage = await openStorage(options.storage, options);
    return { index: namedIndex(options.index, context), storage, pendingDeletions: new Set() };
  }
  const host = await readOrthancHost(options.config, allEnvironmentVariables());
  for (const name of host.configuration.undefinedVariables) {
    context.terminal.warn(`the configuration of Orthanc uses the variable ${name}, which is not set here`);
  }
  return {
    index: options.index === undefined ? host.index : namedIndex(options.index, context),
    storage: await openHostStorage(host.storage, options),
    pendingDeletions: await pendingDeletionsOf(host.deletionDatabases),
  };
}

/** The storage that the user names, else that of the configuration. */
async function openHostStorage(storage: StorageLocation, options: AuditCommandOptions): Promise<StorageArea> {
  if (options.storage !== undefined) return openStorage(options.storage, options);
  if (storage.kind === 'folder') return FolderStorage.open(withFolders(storage.folders, options.otherStorage));
  throw new MirrorError(
    'configuration',
    storage.kind === 'database'
      ? 'this Orthanc keeps its files in the database; there is no storage to compare'
      : 'this Orthanc keeps its files in a bucket; name it by --storage s3://bucket/prefix',
  );
}

async function openStorage(place: string, { endpoint, otherStorage }: AuditCommandOptions): Promise<StorageArea> {
  const location = parseArchiveLocation(place.replace(/^~(?=\/)/, homedir()));
  return location.kind === 'folder'
    ? FolderStorage.open(oneFolder(location.path, otherStorage))
    : bucketStorage(await openObjectStorage(location, { endpoint }));
}

function auditOptions(
  options: AuditCommandOptions,
  subject: AuditSubject,
  { interruption }: CommandContext,
  shown: ShownProgress,
): AuditOptions {
  return {
    readBytes: !options.sizesOnly,
    marginMs: options.margin ?? defaultMarginMs,
    pendingDeletions: subject.pendingDeletions,
    signal: interruption,
    onProgress: ({ rows }) => shown.show({ instances: rows, unit: 'rows' }),
  };
}

function report(findings: readonly AuditFinding[], counts: AuditCounts, { terminal }: CommandContext): void {
  for (const finding of findings) {
    terminal.tell({ type: 'difference', ...findingRecord(finding) }, findingLine(finding));
  }
  const found = (kind: AuditFinding['kind']) => findings.filter((finding) => finding.kind === kind).length;
  const summary = {
    rows: counts.rows,
    good: counts.good,
    unhashed: counts.unhashed,
    missing: found('missing'),
    wrongSize: found('wrong-size'),
    wrongHash: found('wrong-hash'),
    unreadable: found('unreadable'),
    orphans: found('orphan'),
    young: counts.young,
    pendingDeletion: counts.pendingDeletion,
  };
  terminal.tell({ type: 'summary', ...summary }, summaryLine(summary));
  if (counts.young > 0) {
    terminal.say(`${counts.young} files are too young to be judged; --margin 0 judges them too`);
  }
}

function summaryLine(summary: Readonly<Record<string, number>>): string {
  const names: Readonly<Record<string, string>> = {
    wrongSize: 'of wrong size',
    wrongHash: 'of wrong hash',
    unhashed: 'compared by size only',
    young: 'too young to judge',
    pendingDeletion: 'about to be deleted',
  };
  return Object.entries(summary)
    .map(([name, count]) => `${formatCount(count)} ${names[name] ?? name}`)
    .join(', ');
}

/** Tells which of the damaged instances an archive holds; its inventory is its listing. */
async function tellRepairable(
  findings: readonly AuditFinding[],
  { archive = '', endpoint }: AuditCommandOptions,
  { terminal }: CommandContext,
): Promise<void> {
  const wanted = instancesToRepair(findings);
  const held = new Set<InstanceId>();
  const objects = await openObjectStorage(parseArchiveLocation(archive), { endpoint });
  try {
    for (const id of wanted) {
      for await (const { key } of objects.list(`${folders.instances}${id}/`)) {
        if (parseKey(key)?.kind === 'instance') held.add(id);
      }
    }
  } finally {
    await objects.close();
  }
  if (terminal.json) terminal.printJson({ type: 'repairable', instances: wanted.length, inArchive: held.size });
  else terminal.say(`the archive holds ${held.size} of the ${wanted.length} damaged or missing instances`);
}

async function moveOrphans(
  findings: readonly AuditFinding[],
  folder: string,
  { terminal }: CommandContext,
): Promise<void> {
  const orphans = findings.flatMap((finding) => (finding.kind === 'orphan' ? [finding.stored] : []));
  const moved = await quarantine(orphans, folder);
  terminal.say(`moved ${moved} files to ${folder}; to undo: orthanc-mirror audit --quarantine ${folder} --undo`);
}

async function keepQuarantine(options: AuditCommandOptions, { terminal }: CommandContext): Promise<ExitCode> {
  const { quarantine: folder, undo, olderThan } = options;
  if (folder === undefined) throw new MirrorError('configuration', 'name the quarantine folder by --quarantine');
  if (undo) {
    terminal.say(`moved ${await undoQuarantine(folder)} files back`);
    return exitCodes.ok;
  }
  if (olderThan === undefined) {
    throw new MirrorError('configuration', 'say by --older-than how long files must have been in quarantine: 30d');
  }
  terminal.say(`deleted ${await deleteQuarantined(folder, olderThan)} files for good`);
  return exitCodes.ok;
}
