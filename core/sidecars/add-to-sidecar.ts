/**
 * Adds what is found to what a place holds: what it holds stays, also where another value was found under the same
 * number. Pure.
 */
import type { InstanceRecord, PatientSidecar, ResourceContent, SeriesRecord, StudySidecar } from './sidecar.ts';

/** The document that a destination is to have. */
export function addToStudy(held: StudySidecar, found: StudySidecar): StudySidecar {
  return {
    ...held,
    ...addContent(held, found),
    tags: { ...found.tags, ...held.tags },
    patientTags: { ...found.patientTags, ...held.patientTags },
    series: addById(held.series, found.series, addToSeries),
  };
}

/** The document that a destination is to have: a patient that is protected there or here is protected. */
export function addToPatient(held: PatientSidecar, found: PatientSidecar): PatientSidecar {
  return {
    ...held,
    ...addContent(held, found),
    tags: { ...found.tags, ...held.tags },
    protected: held.protected || found.protected,
  };
}

function addToSeries(held: SeriesRecord, found: SeriesRecord): SeriesRecord {
  return {
    ...held,
    ...addContent(held, found),
    tags: { ...found.tags, ...held.tags },
    instances: addById(held.instances, found.instances, addToInstance),
  };
}

function addToInstance(held: InstanceRecord, found: InstanceRecord): InstanceRecord {
  return { ...held, ...addContent(held, found) };
}

function addContent(held: ResourceContent, found: ResourceContent): ResourceContent {
  return {
    labels: [...new Set([...held.labels, ...found.labels])].toSorted(),
    metadata: { ...found.metadata, ...held.metadata },
    attachments: { ...found.attachments, ...held.attachments },
    systemMetadata: { ...found.systemMetadata, ...held.systemMetadata },
    namedMetadata: { ...found.namedMetadata, ...held.namedMetadata },
  };
}

function addById<Record extends { readonly id: string }>(
  held: readonly Record[],
  found: readonly Record[],
  add: (held: Record, found: Record) => Record,
): Record[] {
  const merged = new Map(held.map((each) => [each.id, each]));
  for (const each of found) {
    const there = merged.get(each.id);
    merged.set(each.id, there === undefined ? each : add(there, each));
  }
  return [...merged.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1));
}
