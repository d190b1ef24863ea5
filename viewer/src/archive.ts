/** What the page asks the archive. */
import type { JsonDataSet } from '../../core/dicom/json-model.ts';

export interface Progress {
  readonly phase: 'listing' | 'searching' | 'complete' | 'failed';
  readonly studies: number;
  readonly instances: number;
  readonly unlisted: number;
  readonly damagedSidecars: number;
  readonly reason?: string;
}

export interface ArchiveInfo {
  readonly name: string;
  readonly at?: string;
  readonly progress: Progress;
}

export interface ListedStudy {
  readonly study: string;
  readonly patientId?: string;
  readonly patientName?: string;
  readonly studyInstanceUid?: string;
  readonly accessionNumber?: string;
  readonly studyDate?: string;
  readonly description?: string;
  readonly modalities: readonly string[];
  readonly labels: readonly string[];
  readonly series: number;
  readonly instances: number;
  readonly otherTags: Readonly<Record<string, string>>;
}

export interface StudyPage {
  readonly studies: readonly ListedStudy[];
  readonly total: number;
  readonly progress: Progress;
}

/** What is attached to a resource of any level. */
export interface Attached {
  readonly labels: readonly string[];
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly systemMetadata: Readonly<Record<string, unknown>>;
  readonly namedMetadata: Readonly<Record<string, unknown>>;
  readonly attachments: Readonly<Record<string, { readonly md5: string; readonly sizeBytes: number }>>;
}

export interface StudyInstance {
  readonly id: string;
  readonly md5: string;
  readonly sizeBytes: number;
  readonly uid: string;
  readonly sopClass?: string;
  readonly number?: string;
  readonly frames: number;
  readonly transferSyntax?: string;
  readonly hasPixelData: boolean;
  readonly attached?: Attached;
}

export interface StudySeries {
  readonly id: string;
  readonly uid: string;
  readonly number?: string;
  readonly modality?: string;
  readonly description?: string;
  readonly attached?: Attached;
  readonly instances: readonly StudyInstance[];
}

export interface Study {
  readonly study: string;
  readonly entry?: ListedStudy;
  readonly studyInstanceUid: string;
  readonly sidecar?: { readonly key: string; readonly at: string; readonly isNewest: boolean };
  readonly patient?: Attached & { readonly id: string; readonly protected: boolean };
  readonly attached?: Attached;
  readonly series: readonly StudySeries[];
  readonly absent: readonly string[];
}

export interface History {
  readonly id: string;
  readonly current?: string;
  readonly versions: readonly { readonly md5: string; readonly sizeBytes: number; readonly at: string }[];
  readonly records: readonly { readonly what: string; readonly at?: string; readonly md5?: string }[];
}

export interface Proof {
  readonly archived: { readonly md5: string; readonly sizeBytes: number };
  readonly read: { readonly md5: string; readonly sizeBytes: number };
  readonly isEqual: boolean;
}

/** The archive refused or failed; its words are for the user. */
export class ArchiveProblem extends Error {}

async function ask(path: string, signal?: AbortSignal, accept = 'application/json'): Promise<Response> {
  const answer = await fetch(path, { headers: { accept }, ...(signal && { signal }) });
  if (!answer.ok) throw new ArchiveProblem((await answer.text()).trim() || `${path} is answered ${answer.status}`);
  return answer;
}

async function json<Answer>(path: string, signal?: AbortSignal): Promise<Answer> {
  // The server is the other half of this page: what it says has the shape that it was given there.
  return (await ask(path, signal)).json() as Promise<Answer>;
}

export const archiveInfo = () => json<ArchiveInfo>('/page/archive');
export const findStudies = (query: URLSearchParams, signal: AbortSignal) =>
  json<StudyPage>(`/page/studies?${query}`, signal);
export const readStudy = (id: string) => json<Study>(`/page/studies/${id}`);
export const readHistory = (id: string) => json<History>(`/page/instances/${id}/history`);
export const readProof = (id: string) => json<Proof>(`/page/instances/${id}/proof`);

/** The address of an instance in DICOMweb. */
export function instancePath(study: Study, series: StudySeries, instance: StudyInstance): string {
  return `${seriesPath(study, series)}/instances/${encodeURIComponent(instance.uid)}`;
}

export function seriesPath(study: Study, series: StudySeries): string {
  return `/dicom-web/studies/${encodeURIComponent(study.studyInstanceUid)}/series/${encodeURIComponent(series.uid)}`;
}

export async function readMetadata(path: string): Promise<JsonDataSet> {
  const [header] = await json<readonly JsonDataSet[]>(`${path}/metadata`);
  if (header === undefined) throw new ArchiveProblem('the instance has no header');
  return header;
}

/** One frame as it is stored, and its transfer syntax. */
export async function readFrame(
  path: string,
): Promise<{ readonly bytes: Uint8Array; readonly transferSyntax: string }> {
  const answer = await ask(path, undefined, 'application/octet-stream; transfer-syntax=*');
  const transferSyntax = /transfer-syntax=([\d.]+)/.exec(answer.headers.get('content-type') ?? '')?.[1] ?? '';
  return { bytes: new Uint8Array(await answer.arrayBuffer()), transferSyntax };
}

/** A value that is bulk data. */
export async function readBulk(address: string): Promise<Uint8Array> {
  const answer = await ask(new URL(address).pathname, undefined, 'application/octet-stream');
  return new Uint8Array(await answer.arrayBuffer());
}

export async function readPdf(path: string): Promise<Blob> {
  return (await ask(`${path}/rendered`, undefined, 'application/pdf')).blob();
}
