/** What the configuration of a target means for a mirror. Pure. */
import type { Finding } from './finding.ts';
import { hasLimit, type ServerFacts } from './server-facts.ts';
import { isLosslessTransferSyntax } from './transfer-syntax.ts';

/** What is about to be written, as far as it is known. */
export interface Planned {
  readonly plannedInstances?: number | undefined;
  readonly plannedBytes?: number | undefined;
}

/** Judges a target; `source` is absent where the source is no server. */
export function targetFindings(
  target: ServerFacts,
  source: ServerFacts | undefined,
  planned: Planned,
): readonly Finding[] {
  return [
    ...sameServer(target, source),
    ...readOnly(target),
    ...transcoding(target),
    ...limits(target, source, planned),
    ...overwriting(target),
    ...hashes(target),
    ...rewriting(target),
    ...version(target),
  ];
}

function sameServer({ name, capabilities }: ServerFacts, source: ServerFacts | undefined): Finding[] {
  if (source === undefined) return [];
  const { serverIdentifier } = capabilities;
  const same = serverIdentifier !== undefined && serverIdentifier === source.capabilities.serverIdentifier;
  if (!same && name !== source.name) return [];
  const message = `${name} and ${source.name} are the same server; name another target`;
  return [{ code: 'same-server', severity: 'halt', message }];
}

function readOnly({ name, capabilities }: ServerFacts): Finding[] {
  if (!capabilities.readOnly) return [];
  const message = `${name} is read-only (ReadOnly): nothing can be mirrored to it; change its configuration`;
  return [{ code: 'read-only', severity: 'halt', message }];
}

function transcoding({ name, capabilities }: ServerFacts): Finding[] {
  const { ingestTranscoding } = capabilities;
  if (ingestTranscoding === undefined) return [];
  if (isLosslessTransferSyntax(ingestTranscoding)) {
    const message =
      `${name} transcodes what it receives, without loss (IngestTranscoding ${ingestTranscoding}): its bytes differ ` +
      'from those of the source, so that equality with it is by id and not by hash; only the archive keeps the bytes';
    return [{ code: 'transcodes-lossless', severity: 'note', message }];
  }
  const message =
    `${name} transcodes what it receives with loss (IngestTranscoding ${ingestTranscoding}): each copy would be a ` +
    'new, lossy instance, and each repetition one more; switch that off there';
  return [{ code: 'transcodes-lossy', severity: 'halt', message }];
}

const bytesPerMb = 1024 * 1024;

function limits(target: ServerFacts, source: ServerFacts | undefined, planned: Planned): Finding[] {
  const { name, capabilities } = target;
  if (!hasLimit(capabilities)) return [];
  const limitMb = capabilities.maximumStorageSizeMb ?? 0;
  const limitPatients = capabilities.maximumPatientCount ?? 0;
  const bytesToCome = bytesInTheEnd(target, source, planned);
  const tooManyBytes = limitMb > 0 && bytesToCome > limitMb * bytesPerMb;
  const tooManyPatients = limitPatients > 0 && (source?.holding?.patients ?? 0) > limitPatients;
  const limit = [
    ...(limitMb > 0 ? [`MaximumStorageSize ${limitMb} MB`] : []),
    ...(limitPatients > 0 ? [`MaximumPatientCount ${limitPatients}`] : []),
  ].join(', ');
  const severity = tooManyBytes || tooManyPatients ? 'risk' : 'note';
  const amount = limitMb > 0 ? `; it would hold ${Math.ceil(bytesToCome / bytesPerMb)} MB` : '';
  if (capabilities.maximumStorageMode === 'reject') {
    if (severity === 'note') return [];
    const message = `${name} refuses what exceeds its limit (${limit}${amount}): the mirror would stop there; raise it`;
    return [{ code: 'storage-too-small', severity, message }];
  }
  const message =
    `${name} deletes its oldest patients to make room (${limit}${amount}), without telling anybody: ` +
    'remove the limit, or let it refuse instead (MaximumStorageMode Reject)';
  return [{ code: tooManyBytes || limitPatients === 0 ? 'recycles' : 'patient-limit', severity, message }];
}

/** Bytes that the target would hold: with what is planned, else at least as much as the source. */
function bytesInTheEnd(target: ServerFacts, source: ServerFacts | undefined, { plannedBytes }: Planned): number {
  const held = target.holding?.diskBytes ?? 0;
  return plannedBytes === undefined ? Math.max(held, source?.holding?.diskBytes ?? 0) : held + plannedBytes;
}

function overwriting({ name, capabilities }: ServerFacts): Finding[] {
  const { overwriteMode } = capabilities;
  if (overwriteMode === undefined || overwriteMode === 'never') return [];
  const when = overwriteMode === 'always' ? 'whenever it is sent' : 'whenever other bytes are sent under its id';
  const message =
    `${name} replaces an instance ${when}, and drops its metadata, attachments and labels then (OverwriteInstances): ` +
    'the mirror asks before it sends and writes them again, but whoever else sends to it can change what it holds';
  return [{ code: 'overwrites', severity: 'note', message }];
}

function hashes({ name, capabilities }: ServerFacts): Finding[] {
  if (capabilities.hasMd5 !== false) return [];
  const message =
    `${name} keeps no hashes (StoreMD5ForAttachments off): whether it holds the right bytes can be seen only by ` +
    'reading every instance back; switch them on there';
  return [{ code: 'no-hashes', severity: 'risk', message }];
}

function rewriting({ name, plugins }: ServerFacts): Finding[] {
  if (!plugins.includes('housekeeper')) return [];
  const message =
    `${name} runs the Housekeeper plugin, which may write its files anew after a change of its configuration: ` +
    'differences after that are found by the comparison of inventories only';
  return [{ code: 'rewrites-files', severity: 'note', message }];
}

function version({ name, capabilities }: ServerFacts): Finding[] {
  const { version: number, ingestTranscoding, overwriteMode, maximumStorageSizeMb } = capabilities;
  const lacks = [
    ...(capabilities.hasExtendedFind ? [] : ['lists no hashes (1.12.5): comparing asks once per instance']),
    ...(capabilities.hasLabels ? [] : ['holds no labels (1.12.0)']),
  ];
  const found: Finding[] = [];
  if (lacks.length > 0) {
    const message = `${name} is Orthanc ${number}, which ${lacks.join(', ')}; upgrading it would help`;
    found.push({ code: 'old-version', severity: 'note', message });
  }
  const hidden = [
    ...(overwriteMode === undefined && ingestTranscoding === undefined
      ? ['IngestTranscoding, OverwriteInstances']
      : []),
    ...(maximumStorageSizeMb === undefined ? ['MaximumStorageSize'] : []),
    ...(capabilities.maximumPatientCount === undefined ? ['MaximumPatientCount'] : []),
  ];
  if (hidden.length > 0) {
    const message =
      `${name} (Orthanc ${number}) does not tell ${hidden.join(', ')}: look in its configuration that it neither ` +
      'transcodes, nor overwrites, nor deletes patients to make room';
    found.push({ code: 'settings-hidden', severity: 'note', message });
  }
  return found;
}
