/**
 * The sidecars in an archive: every state of each, listed by their keys, and read only if they prove to be what was
 * written. A state that is damaged costs what it told and nothing else: the one before it counts.
 */
import { createHash } from 'node:crypto';
import type { z } from 'zod';
import type { CallOptions } from '../call-options.ts';
import { type ErrorCode, isMirrorError, MirrorError } from '../errors.ts';
import type { OrthancId } from '../identifiers.ts';
import { parseDocument, readSmallObject, tooLarge } from '../stores/archive/json-document.ts';
import { folders, parseKey, patientFolder, patientKey, studyFolder, studyKey } from '../stores/archive/keys.ts';
import type { ObjectStorage } from '../stores/archive/object-storage.ts';
import { type PatientSidecar, patientSidecarSchema, type StudySidecar, studySidecarSchema } from './sidecar.ts';

/** The sidecar of each level that has one. */
export interface Sidecars {
  readonly studies: StudySidecar;
  readonly patients: PatientSidecar;
}
export type SidecarLevel = keyof Sidecars;
export type Sidecar = Sidecars[SidecarLevel];

const schemas: { readonly [Level in SidecarLevel]: z.ZodType<Sidecars[Level]> } = {
  studies: studySidecarSchema,
  patients: patientSidecarSchema,
};

/** One state of a sidecar in an archive, not read. */
export interface SidecarState<Level extends SidecarLevel = SidecarLevel> {
  readonly level: Level;
  readonly id: OrthancId;
  readonly key: string;
  /** When it was archived. The order of the keys is the order of the states, whatever clocks did. */
  readonly at: Date;
  /** The first digits of the SHA-256 of its bytes. */
  readonly hash8: string;
}

/** A state that was read. */
export interface ReadSidecar<Level extends SidecarLevel = SidecarLevel> extends SidecarState<Level> {
  readonly document: Sidecars[Level];
  /** Whether it is the last one of the states that were looked at: `false` if later ones could not be read. */
  readonly isNewest: boolean;
}

/** A state that cannot be read: `sidecar-damaged`. */
export interface SidecarFinding {
  readonly level: SidecarLevel;
  readonly id: OrthancId;
  readonly key: string;
  readonly error: MirrorError;
}
export type OnSidecarFinding = (finding: SidecarFinding) => void;

export interface SidecarOptions extends CallOptions {
  /** Is told of each state that cannot be read. */
  readonly onFinding: OnSidecarFinding;
}

/** Collects findings, each once, however often its state is met; one per process or invocation. */
export class SidecarFindings {
  readonly #found = new Map<string, SidecarFinding>();
  readonly #report: OnSidecarFinding;

  /** `report` is called for each finding when it is met for the first time. */
  constructor(report: OnSidecarFinding = () => undefined) {
    this.#report = report;
  }

  readonly note: OnSidecarFinding = (finding) => {
    const name = `${finding.error.code} ${finding.key}`;
    if (this.#found.has(name)) return;
    this.#found.set(name, finding);
    this.#report(finding);
  };

  /** How many there are of a code. */
  count(code: ErrorCode): number {
    return [...this.#found.values()].filter(({ error }) => error.code === code).length;
  }
}

export interface ListStatesOptions extends Partial<SidecarOptions> {
  /** Only the states of this study or patient. */
  readonly id?: OrthancId | undefined;
  /** Only those of ids greater than this one. */
  readonly after?: OrthancId | undefined;
}

/** Lists every state, in order of id, then of age. Other keys are passed over. */
export async function* listSidecarStates<Level extends SidecarLevel>(
  objects: ObjectStorage,
  level: Level,
  { id, after, signal }: ListStatesOptions = {},
): AsyncGenerator<SidecarState<Level>> {
  const folder = folders[level];
  const prefix = id === undefined ? folder : level === 'studies' ? studyFolder(id) : patientFolder(id);
  // '0' follows '/': the key right behind all states of `after`.
  const afterKey = after === undefined ? undefined : `${folder}${after}0`;
  for await (const { key } of objects.list(prefix, { after: afterKey, signal })) {
    const parsed = parseKey(key);
    if (parsed?.kind !== 'study' && parsed?.kind !== 'patient') continue;
    yield { level, id: parsed.id, key, at: parsed.at, hash8: parsed.hash8 };
  }
}

/** As {@link listSidecarStates}, with all states of one study or patient together; none is empty. */
export async function* listSidecars<Level extends SidecarLevel>(
  objects: ObjectStorage,
  level: Level,
  options: ListStatesOptions & {
    /** Only states that are not later than this time. */
    readonly notAfter?: Date | undefined;
  },
): AsyncGenerator<readonly SidecarState<Level>[]> {
  const { notAfter } = options;
  let states: SidecarState<Level>[] = [];
  for await (const state of listSidecarStates(objects, level, options)) {
    if (notAfter !== undefined && state.at > notAfter) continue;
    if (states[0] !== undefined && states[0].id !== state.id) {
      yield states;
      states = [];
    }
    states.push(state);
  }
  if (states.length > 0) yield states;
}

/**
 * Reads one state. `undefined` if it is not there any more. Throws `sidecar-damaged` if it is not what was written
 * under its key, and what the storage throws.
 */
export async function readSidecar<Level extends SidecarLevel>(
  objects: ObjectStorage,
  state: SidecarState<Level>,
  options: CallOptions = {},
): Promise<Sidecars[Level] | undefined> {
  const { level, id, key, hash8 } = state;
  const found = await readSmallObject(objects, key, options);
  if (found === undefined) return undefined;
  if (found.bytes === undefined) throw damaged(objects.name, key, `is damaged, ${tooLarge().problem}`);
  const hash = sidecarHash(found.bytes);
  if (hash !== hash8) throw damaged(objects.name, key, `was altered or cut: its SHA-256 begins with ${hash}`);
  const parsed = parseDocument(found.bytes, schemas[level]);
  if ('problem' in parsed) throw damaged(objects.name, key, `is damaged, ${parsed.problem}`, parsed.cause);
  if (parsed.value.id !== id) throw damaged(objects.name, key, `tells of ${parsed.value.id}`);
  return parsed.value;
}

/** Reads the last of `states` that can be read, which are in order of age. `undefined` if none can be. */
export async function readNewest<Level extends SidecarLevel>(
  objects: ObjectStorage,
  states: readonly SidecarState<Level>[],
  { onFinding, signal }: SidecarOptions,
): Promise<ReadSidecar<Level> | undefined> {
  for (const [index, state] of [...states.entries()].reverse()) {
    try {
      const document = await readSidecar(objects, state, { signal });
      if (document !== undefined) return { ...state, document, isNewest: index === states.length - 1 };
    } catch (error) {
      if (!isMirrorError(error, 'sidecar-damaged')) throw error;
      onFinding({ ...state, error });
    }
  }
  return undefined;
}

/** The first digits of the SHA-256 of a sidecar's bytes, which its key holds: anything else under it is damaged. */
export function sidecarHash(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 8);
}

/** The key of a sidecar that is archived at a time. */
export function sidecarKey({ format, id }: Sidecar, at: Date, bytes: Uint8Array): string {
  const keyOf = format === 'orthanc-mirror-study' ? studyKey : patientKey;
  return keyOf(id, at, sidecarHash(bytes));
}

/** The level of a sidecar, and the folder of its kind. */
export function levelOf({ format }: Sidecar): SidecarLevel {
  return format === 'orthanc-mirror-study' ? 'studies' : 'patients';
}

function damaged(storage: string, key: string, what: string, cause?: unknown): MirrorError {
  const hint = 'the one before it counts; a repair of the archive reads it again from the source';
  return new MirrorError('sidecar-damaged', `${storage}: ${key} ${what}; ${hint}`, { cause, advice: 'repair-archive' });
}
