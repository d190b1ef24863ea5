/** Makes a server hold what a sidecar and a patient sidecar say, or adds what it lacks of them. */
import { isMirrorError } from '../errors.ts';
import type { OrthancId } from '../identifiers.ts';
import { throwIfAborted } from '../stores/aborted.ts';
import { inParallel } from '../streams/in-parallel.ts';
import { applyChange } from './apply-change.ts';
import type { OpenAttachment } from './attachment-source.ts';
import { type Limitations, MetContent, noteTargetLimits } from './limitations.ts';
import type { MetadataValue } from './metadata-value.ts';
import {
  type ApplyMode,
  type ContentChange,
  type Plan,
  type PlanOptions,
  planPatient,
  planStudy,
} from './plan-changes.ts';
import { type ReadOptions, readWidth, skipListOf } from './read-options.ts';
import { readPatientSidecar, readStudySidecar } from './read-sidecar.ts';
import { readMetadata } from './resource-content.ts';
import { contentsOf, hasNamedMetadata, type PatientSidecar, resourcesOf, type StudySidecar } from './sidecar.ts';
import type { StudyServer } from './study-server.ts';

export interface ApplyOptions extends ReadOptions {
  readonly attachments: OpenAttachment;
  readonly limitations: Limitations;
  /** What becomes of values that are there already; absent: `equal`. */
  readonly mode?: ApplyMode | undefined;
  /** Write to these resources only. */
  readonly only?: ReadonlySet<OrthancId> | undefined;
  /**
   * Awaited before anything that the server holds is replaced or removed, with what it holds; absent: it is known
   * elsewhere, as what a mirror's target has is known at its source.
   */
  readonly save?:
    | ((held: StudySidecar | PatientSidecar, changes: readonly ContentChange[]) => Promise<void>)
    | undefined;
  /** Write nothing; tell what would be written when the expected instances have come. */
  readonly dryRun?: { readonly expected: (id: OrthancId) => boolean } | undefined;
}

/** What became of a document at a server. */
export interface Applied extends Plan {
  /** Whether the server holds the study, or the patient, at all. */
  readonly held: boolean;
  /** What was written or removed; in a dry run, what would be. */
  readonly changes: readonly ContentChange[];
}

/** How often a study is read again because somebody else wrote to it meanwhile. */
const attempts = 4;

/**
 * Writes what differs, and only that; applying it again writes nothing. In the mode `equal`, labels, metadata and
 * attachments that the server has and the document has not are removed, except those of the skip list; Orthanc's own
 * are never written. A server that does not hold the study, or not all of its instances, gets what it can hold: see
 * {@link Plan.lacking}.
 *
 * Throws `changed-meanwhile` if somebody else keeps writing to the study, `hash-mismatch` if an attachment is no longer
 * what the document says, and what the connections throw. What was written until then stays.
 */
export async function applyStudySidecar(
  document: StudySidecar,
  server: StudyServer,
  options: ApplyOptions,
): Promise<Applied> {
  noteTargetLimits(new MetContent(contentsOf(document)), server, options.limitations);
  return converge(server, options, async () => {
    const held = await readOrNothing(() =>
      readStudySidecar(server, document.id, { ...options, earlier: undefined, instanceHashes: false }),
    );
    const told = held && (await tellNumbers(document, held, server, options));
    return { held: told, plan: planStudy(document, told, planOptions(server, options)) };
  });
}

/** As {@link applyStudySidecar}, for a patient. Does nothing where the server has no patient level. */
export async function applyPatientSidecar(
  document: PatientSidecar,
  server: StudyServer,
  options: ApplyOptions,
): Promise<Applied> {
  if (!server.capabilities.hasPatientLevel) {
    options.limitations.add(server.client.name, 'patient-level-disabled');
    return { ...nothingPlanned, held: false };
  }
  noteTargetLimits(new MetContent(contentsOf(document)), server, options.limitations);
  return converge(server, options, async () => {
    const held = await readOrNothing(() => readPatientSidecar(server, document.id, options));
    if (held === undefined && options.dryRun === undefined) return { held, plan: nothingPlanned };
    const told = held && (await tellNumbers(document, held, server, options));
    return { held: told, plan: planPatient(document, told, planOptions(server, options)) };
  });
}

const nothingPlanned: Plan = { changes: [], kept: [], lacking: [] };

function planOptions({ capabilities }: StudyServer, options: ApplyOptions): PlanOptions {
  const { mode = 'equal', only, dryRun } = options;
  return { mode, labels: capabilities.hasLabels, skip: skipListOf(options), only, expected: dryRun?.expected };
}

interface Compared {
  readonly held: StudySidecar | PatientSidecar | undefined;
  readonly plan: Plan;
}

/** Plans and writes, and again from the start when the server's content changed in between. */
async function converge(
  server: StudyServer,
  options: ApplyOptions,
  compare: () => Promise<Compared>,
): Promise<Applied> {
  const written: ContentChange[] = [];
  for (let attempt = 1; ; attempt += 1) {
    try {
      const { held, plan } = await compare();
      if (options.dryRun !== undefined) return { ...plan, held: held !== undefined };
      if (held !== undefined && plan.changes.some(overwrites)) await options.save?.(held, plan.changes);
      await write(server, plan.changes, options, (change) => written.push(change));
      return { ...plan, held: held !== undefined, changes: written };
    } catch (error) {
      if (!isMirrorError(error, 'changed-meanwhile') || attempt === attempts) throw error;
    }
  }
}

/** @returns whether a change takes something away that is there. */
export function overwrites(change: ContentChange): boolean {
  switch (change.kind) {
    case 'put-label':
      return false;
    case 'put-metadata':
    case 'put-attachment':
      return change.replaces;
    case 'protect':
      return !change.protected;
    case 'delete-label':
    case 'delete-metadata':
    case 'delete-attachment':
      return true;
  }
}

/** Writes to several resources at a time, and to each of them one thing after the other. */
async function write(
  server: StudyServer,
  changes: readonly ContentChange[],
  { attachments, signal }: ApplyOptions,
  onWritten: (change: ContentChange) => void,
): Promise<void> {
  const byResource = Map.groupBy(changes, ({ level, id }) => `${level}/${id}`);
  await inParallel([...byResource.values()], readWidth, async (ofResource) => {
    for (const change of ofResource) {
      throwIfAborted(signal);
      await applyChange(server, change, { attachments, signal });
      onWritten(change);
    }
  });
}

/**
 * Asks by number for what the document has, where the server lists metadata by names that it does not tell the numbers
 * of (before 1.12.0): what seems to be missing may be there.
 */
async function tellNumbers<Document extends StudySidecar | PatientSidecar>(
  wanted: Document,
  held: Document,
  server: StudyServer,
  { limitations, signal }: ApplyOptions,
): Promise<Document> {
  if (!hasNamedMetadata(contentsOf(held))) return held;
  limitations.add(server.client.name, 'metadata-number-unknown');
  const told = structuredClone(held);
  const heldContents = new Map(resourcesOf(told).map(({ id, content }) => [id, content]));
  for (const { level, id, content } of resourcesOf(wanted)) {
    const there = heldContents.get(id);
    if (there === undefined || !hasNamedMetadata([there])) continue;
    for (const number of Object.keys(content.metadata)) {
      const value: MetadataValue | undefined =
        there.metadata[number] ?? (await readMetadata(server, level, id, number, { signal }));
      if (value !== undefined) there.metadata[number] = value;
    }
  }
  return told;
}

async function readOrNothing<Document>(read: () => Promise<Document>): Promise<Document | undefined> {
  try {
    return await read();
  } catch (error) {
    if (isMirrorError(error, 'vanished')) return undefined;
    throw error;
  }
}
