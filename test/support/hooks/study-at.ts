/** Generated instances at a source: what the tests of the hooks do to a server, and what they measure. */
import { setTimeout as delay } from 'node:timers/promises';
import { type OrthancId, orthancIdOf, type ResourceLevel } from '../../../core/identifiers.ts';
import { type GeneratedInstance, generateInstance } from '../../../local/dicom/generate.ts';
import { identifiersOf, type Place, placeOfNth } from '../../../local/dicom/identifiers.ts';
import { post } from '../../../local/upload.ts';

/** An instance and the study that it is in. */
export interface GeneratedStudyInstance extends GeneratedInstance {
  readonly studyId: OrthancId;
}

export function nthInstance(seed: string, n: number): GeneratedStudyInstance {
  const place: Place = placeOfNth(seed, n);
  const { patientId, studyInstanceUid } = identifiersOf(place);
  return { ...generateInstance(place, 4096), studyId: orthancIdOf(patientId, studyInstanceUid) };
}

/** Posts an instance. @returns the milliseconds until the server answered; throws if it did not store it. */
export async function postTo(serverUrl: string, instance: GeneratedInstance): Promise<number> {
  const startedAtMs = performance.now();
  const answer = await post(serverUrl, { sizeBytes: instance.sizeBytes, body: () => instance.bytes });
  if (answer.kind !== 'stored') throw new Error(`the server refused an instance with status ${answer.status}`);
  return performance.now() - startedAtMs;
}

export interface Latencies {
  readonly medianMs: number;
  readonly p99Ms: number;
  readonly longestMs: number;
}

/** Posts at least `count` instances one after the other, until `isEnough`, and measures each. */
export async function postLatencies(
  serverUrl: string,
  seed: string,
  count: number,
  isEnough: () => boolean = () => true,
): Promise<Latencies> {
  const latenciesMs: number[] = [];
  for (let n = 0; n < count || !isEnough(); n += 1) latenciesMs.push(await postTo(serverUrl, nthInstance(seed, n)));
  latenciesMs.sort((a, b) => a - b);
  const at = (share: number) => latenciesMs[Math.floor(share * (latenciesMs.length - 1))] ?? Number.NaN;
  return { medianMs: at(0.5), p99Ms: at(0.99), longestMs: at(1) };
}

/** Posts an instance every `intervalMs` until `done`; the numbers of the instances begin at 0. */
export async function postUntil(serverUrl: string, seed: string, intervalMs: number, done: Promise<unknown>) {
  const ended = new AbortController();
  const ending = done.finally(() => ended.abort());
  for (let n = 0; !ended.signal.aborted; n += 1) {
    await postTo(serverUrl, nthInstance(seed, n));
    await Promise.race([ending, delay(intervalMs)]);
  }
}

export async function deleteAt(serverUrl: string, level: ResourceLevel, id: OrthancId): Promise<void> {
  await succeed(await fetch(new URL(`${level}/${id}`, serverUrl), { method: 'DELETE' }));
}

/** Writes a user metadata of a resource. */
export async function annotateAt(serverUrl: string, level: ResourceLevel, id: OrthancId): Promise<void> {
  await succeed(await fetch(new URL(`${level}/${id}/metadata/1024`, serverUrl), { method: 'PUT', body: 'note' }));
}

/** Makes the server tell everything in its log. */
export async function logEverything(serverUrl: string): Promise<void> {
  await succeed(await fetch(new URL('tools/log-level', serverUrl), { method: 'PUT', body: 'trace' }));
}

async function succeed(response: Response): Promise<void> {
  await response.arrayBuffer();
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
}
