/**
 * Every key of the archive format, version 1: building and parsing, nothing else. Shared by whoever writes, lists, or
 * grants rights on keys. The format is described in `docs/archive-format.md`.
 */
import { createHash } from 'node:crypto';
import {
  type InstanceId,
  isInstanceId,
  isMd5,
  isOrthancId,
  type Md5,
  type OrthancId,
  type ResourceLevel,
  resourceLevels,
} from '../../identifiers.ts';

/** The document that says that a place is an archive. */
export const manifestKey = 'archive.json';

/** The folders of an archive; each key but {@link manifestKey} begins with one of them. */
export const folders = {
  instances: 'instances/',
  studies: 'studies/',
  patients: 'patients/',
  attachments: 'attachments/',
  history: 'history/',
  /** What authorizes the stack to restore; see `core/archive-life/restore/restore-job.ts`. No part of what is restored. */
  jobs: 'jobs/',
  state: 'state/',
  reports: 'reports/',
  /** Of `core/host/backup`; no part of the archive's format, and never listed by it. */
  hostBackups: 'host-backups/',
} as const;

/** What the keys of documents begin with that are replaced again and again: state, progress, the status page. */
export const replacedPrefixes = [folders.state, `${folders.reports}status.`] as const;

/** Whether a key, or a pattern of keys, is of such documents only. */
export function isReplaced(key: string): boolean {
  return replacedPrefixes.some((prefix) => key.startsWith(prefix));
}

/** What the key of a record of an instance's history says: all that *now* depends on; see `history.ts`. */
export type HistoryRecord = {
  readonly id: InstanceId;
  /** From 1 on; of one id the greatest counts. */
  readonly number: number;
} & ({ readonly what: 'current' | 'imported'; readonly md5: Md5 } | { readonly what: 'removed' });

/** The greatest number of a record that a key can hold. */
export const lastRecordNumber = 999_999;

/** What a key names. `hash8`: the first eight hexadecimal digits of a hash of the document's content. */
export type ParsedKey =
  | { readonly kind: 'manifest' }
  | { readonly kind: 'instance'; readonly id: InstanceId; readonly md5: Md5 }
  | { readonly kind: 'study'; readonly id: OrthancId; readonly at: Date; readonly hash8: string }
  | { readonly kind: 'patient'; readonly id: OrthancId; readonly at: Date; readonly hash8: string }
  | {
      readonly kind: 'attachment';
      readonly level: ResourceLevel;
      readonly id: OrthancId;
      readonly number: number;
      readonly md5: Md5;
    }
  | ({ readonly kind: 'history' } & HistoryRecord)
  | { readonly kind: 'state'; readonly name: string }
  | { readonly kind: 'report'; readonly name: string };

/** Key of one version of an instance. */
export function instanceKey(id: InstanceId, md5: Md5): string {
  return `${instanceFolder(id)}${md5}.dcm`;
}

/** Folder of all versions of an instance. */
export function instanceFolder(id: InstanceId): string {
  return `${folders.instances}${id}/`;
}

/**
 * @returns a text that sorts right after all keys of an id in one of {@link folders} that has a folder for each id, and
 * before those of the next id.
 */
export function afterId(folder: string, id: OrthancId): string {
  // '0' is the character that follows '/'.
  return `${folder}${id}0`;
}

/** Key of one state of a sidecar. */
export function studyKey(id: OrthancId, at: Date, hash8: string): string {
  return `${studyFolder(id)}${keyTime(at)}-${hash8}.json`;
}

/** Folder of all states of a sidecar, oldest first. */
export function studyFolder(id: OrthancId): string {
  return `${folders.studies}${id}/`;
}

/** Key of one state of a patient sidecar. */
export function patientKey(id: OrthancId, at: Date, hash8: string): string {
  return `${patientFolder(id)}${keyTime(at)}-${hash8}.json`;
}

/** Folder of all states of a patient sidecar, oldest first. */
export function patientFolder(id: OrthancId): string {
  return `${folders.patients}${id}/`;
}

/** Key of one content of a user attachment; `number` is Orthanc's number of the attachment's kind. */
export function attachmentKey(level: ResourceLevel, id: OrthancId, number: number, md5: Md5): string {
  return `${folders.attachments}${level}/${id}/${number}/${md5}`;
}

/** Key of one record of an instance's history. */
export function historyKey(record: HistoryRecord): string {
  const number = String(record.number).padStart(6, '0');
  const what = record.what === 'removed' ? record.what : `${record.what}-${record.md5}`;
  return `${historyFolder(record.id)}${number}-${what}.json`;
}

/** Folder of all records of an instance's history, in the order of their numbers. */
export function historyFolder(id: InstanceId): string {
  return `${folders.history}${id}/`;
}

/** Key of a document of a restore job: `job`, `finished`, or the number of a part. */
export function jobKey(job: string, name: string): string {
  return `${folders.jobs}${job}/${name}.json`;
}

/** Key of a document of state; `name` like `lease` or `main/cursor`. */
export function stateKey(name: string): string {
  return `${folders.state}${name}.json`;
}

/** Key of a part of what is remembered of the inventory of a server; `server` is its name, which may be an address. */
export function inventoryKey(server: string, part: number): string {
  return `${inventoryFolder(server)}/${part.toString(16).padStart(2, '0')}.rows`;
}

/** Key of a stretch of the ids of a server while they are listed. */
export function stretchKey(server: string, stretch: number): string {
  return `${inventoryFolder(server)}/listing-${stretch}.rows`;
}

/** Name of the document of state that says how far that listing is. */
export function listingName(server: string): string {
  return `${inventoryFolder(server).slice(folders.state.length)}/listing`;
}

function inventoryFolder(server: string): string {
  return `${folders.state}inventory/${createHash('sha256').update(server).digest('hex').slice(0, 16)}`;
}

/** Key of the list of shards of an execution, and what keys of its results begin with. */
export function shardsKey(execution: string): { readonly manifest: string; readonly results: string } {
  return { manifest: `${folders.state}shards/${execution}.json`, results: `${folders.state}shards/${execution}` };
}

/** Key of a report; `name` with its extension. */
export function reportKey(name: string): string {
  return `${folders.reports}${name}`;
}

/** @returns what a key of an archive names; `undefined` if it is none of the format. */
export function parseKey(key: string): ParsedKey | undefined {
  if (key === manifestKey) {
    return { kind: 'manifest' };
  }
  const slash = key.indexOf('/') + 1;
  const rest = key.slice(slash);
  switch (key.slice(0, slash)) {
    case folders.instances:
      return parseInstance(rest);
    case folders.studies:
      return parseDocument('study', rest);
    case folders.patients:
      return parseDocument('patient', rest);
    case folders.attachments:
      return parseAttachment(rest);
    case folders.history:
      return parseHistory(rest);
    case folders.state:
      return rest.endsWith('.json') && rest.length > 5 ? { kind: 'state', name: rest.slice(0, -5) } : undefined;
    case folders.reports:
      return rest === '' ? undefined : { kind: 'report', name: rest };
    default:
      return undefined;
  }
}

function parseInstance(rest: string): ParsedKey | undefined {
  const [id, file, ...more] = rest.split('/');
  const md5 = file?.endsWith('.dcm') ? file.slice(0, -4) : undefined;
  return isInstanceId(id) && isMd5(md5) && more.length === 0 ? { kind: 'instance', id, md5 } : undefined;
}

function parseDocument(kind: 'study' | 'patient', rest: string): ParsedKey | undefined {
  const [id, file, ...more] = rest.split('/');
  const [, time, hash8] = /^(.*)-([0-9a-f]{8})\.json$/.exec(file ?? '') ?? [];
  const at = parseKeyTime(time);
  return isOrthancId(id) && at !== undefined && hash8 !== undefined && more.length === 0
    ? { kind, id, at, hash8 }
    : undefined;
}

function parseAttachment(rest: string): ParsedKey | undefined {
  const [levelText, id, numberText, md5, ...more] = rest.split('/');
  const level = resourceLevels.find((candidate) => candidate === levelText);
  const number = /^(?:0|[1-9]\d{0,8})$/.test(numberText ?? '') ? Number(numberText) : undefined;
  return level !== undefined && isOrthancId(id) && number !== undefined && isMd5(md5) && more.length === 0
    ? { kind: 'attachment', level, id, number, md5 }
    : undefined;
}

const historyName = /^(\d{6})-(?:removed|(current|imported)-([0-9a-f]{32}))\.json$/;

function parseHistory(rest: string): ParsedKey | undefined {
  const [id, file, ...more] = rest.split('/');
  const [name, digits, what, md5] = historyName.exec(file ?? '') ?? [];
  const number = Number(digits);
  if (name === undefined || number === 0 || !isInstanceId(id) || more.length > 0) return undefined;
  const record = { kind: 'history', id, number } as const;
  return isMd5(md5) ? { ...record, what: what === 'imported' ? what : 'current', md5 } : { ...record, what: 'removed' };
}

/** @returns a time as it stands in keys, `20261121T030201.123Z`: sorts like the time, and is a file name anywhere. */
export function keyTime(at: Date): string {
  return at.toISOString().replaceAll(/[-:]/g, '');
}

/** @returns the time that {@link keyTime} wrote, or `undefined`. */
export function parseKeyTime(text: string | undefined): Date | undefined {
  const parts = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d\.\d{3}Z)$/.exec(text ?? '');
  if (parts === null) {
    return undefined;
  }
  const [, year, month, day, hour, minute, second] = parts;
  const at = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}`);
  // An impossible date such as 31 February is moved by some parsers: only what writes itself the same is accepted.
  return !Number.isNaN(at.getTime()) && keyTime(at) === text ? at : undefined;
}
