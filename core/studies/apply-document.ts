/** Makes a server hold what a study document and a patient document say. */
import { isMirrorError } from '../errors.ts';
import type { OrthancId } from '../identifiers.ts';
import { throwIfAborted } from '../stores/aborted.ts';
import { applyChange } from './apply-change.ts';
import type { OpenAttachment } from './attachment-source.ts';
import type { Limitations } from './limitations.ts';
import { type ContentChange, planPatient, planStudy } from './plan-changes.ts';
import { type ReadOptions, skipListOf } from './read-options.ts';
import { readPatientDocument, readStudyDocument } from './read-study-document.ts';
import {
  contentsOf,
  hasNamedMetadata,
  type PatientDocument,
  type ResourceContent,
  type StudyDocument,
} from './study-document.ts';
import type { StudyServer } from './study-server.ts';

export interface ApplyOptions extends ReadOptions {
  readonly attachments: OpenAttachment;
  readonly limitations: Limitations;
  /** Write to these resources only. */
  readonly only?: ReadonlySet<OrthancId> | undefined;
}

export interface Applied {
  /** Labels, metadata, attachments and protections that were written or removed. */
  readonly changes: number;
  /** Instances of the document that the server does not hold yet. */
  readonly pendingInstances: number;
}

/** How often a study is read again because somebody else wrote to it meanwhile. */
const attempts = 4;

/**
 * Writes what differs, and only that; applying it again writes nothing. Labels, metadata and attachments that the
 * server has and the document has not are removed, except those of the skip list; Orthanc's own are never written.
 * A server that does not hold the study, or not all of its instances, gets what it can hold: see `pendingInstances`.
 *
 * Throws `changed-meanwhile` if somebody else keeps writing to the study, `hash-mismatch` if an attachment is no longer
 * what the document says, and what the connections throw. What was written until then stays.
 */
export async function applyStudyDocument(
  document: StudyDocument,
  server: StudyServer,
  options: ApplyOptions,
): Promise<Applied> {
  const plan = { labels: server.capabilities.hasLabels, skip: skipListOf(options) };
  noteLimits(contentsOf(document), server, options.limitations);
  return converge(server, options, async () => {
    const held = await readOrNothing(() =>
      readStudyDocument(server, document.id, { ...options, earlier: undefined, instanceHashes: false }),
    );
    if (held === undefined) {
      const instances = document.series.flatMap((series) => series.instances);
      return { changes: [], pendingInstances: instances.length, namesUnknown: false };
    }
    const namesUnknown = noteNames(contentsOf(held), server, options.limitations);
    return { ...planStudy(document, held, plan), namesUnknown };
  });
}

/** As {@link applyStudyDocument}, for a patient. Does nothing where the server has no patient level. */
export async function applyPatientDocument(
  document: PatientDocument,
  server: StudyServer,
  options: ApplyOptions,
): Promise<Applied> {
  if (!server.capabilities.hasPatientLevel) {
    options.limitations.add(server.client.name, 'patient-level-disabled');
    return { changes: 0, pendingInstances: 0 };
  }
  const plan = { labels: server.capabilities.hasLabels, skip: skipListOf(options) };
  noteLimits([document], server, options.limitations);
  return converge(server, options, async () => {
    const held = await readOrNothing(() => readPatientDocument(server, document.id, options));
    if (held === undefined) return { changes: [], pendingInstances: 0, namesUnknown: false };
    const namesUnknown = noteNames([held], server, options.limitations);
    return { changes: planPatient(document, held, plan), pendingInstances: 0, namesUnknown };
  });
}

interface Plan {
  readonly changes: readonly ContentChange[];
  readonly pendingInstances: number;
  readonly namesUnknown: boolean;
}

/** Plans and writes, and again from the start when the server's content changed in between. */
async function converge(server: StudyServer, options: ApplyOptions, plan: () => Promise<Plan>): Promise<Applied> {
  let written = 0;
  for (let attempt = 1; ; attempt += 1) {
    try {
      const { changes, pendingInstances, namesUnknown } = await plan();
      const { attachments, only, signal } = options;
      for (const change of changes) {
        if (only?.has(change.id) === false) continue;
        throwIfAborted(signal);
        if (await applyChange(server, change, { attachments, signal, namesUnknown })) written += 1;
      }
      return { changes: written, pendingInstances };
    } catch (error) {
      if (!isMirrorError(error, 'changed-meanwhile') || attempt === attempts) throw error;
    }
  }
}

async function readOrNothing<Document>(read: () => Promise<Document>): Promise<Document | undefined> {
  try {
    return await read();
  } catch (error) {
    if (isMirrorError(error, 'vanished')) return undefined;
    throw error;
  }
}

function noteLimits(
  contents: readonly ResourceContent[],
  { client, capabilities }: StudyServer,
  limits: Limitations,
): void {
  if (!capabilities.hasLabels && contents.some(({ labels }) => labels.length > 0))
    limits.add(client.name, 'labels-unsupported');
  if (contents.some(({ systemMetadata }) => Object.keys(systemMetadata).length > 0)) {
    limits.add(client.name, 'system-metadata');
  }
}

/** @returns whether the server holds user metadata whose numbers it does not tell. */
function noteNames(held: readonly ResourceContent[], { client }: StudyServer, limitations: Limitations): boolean {
  const unknown = hasNamedMetadata(held);
  if (unknown) limitations.add(client.name, 'metadata-number-unknown');
  return unknown;
}
