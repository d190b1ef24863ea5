/** When a sidecar has another content: Orthanc's own times are none, or every look at a server would be a new version. */
import { contentHash } from './canonical-json.ts';
import type { PatientSidecar, ResourceContent, StudySidecar } from './sidecar.ts';

/** System metadata in which Orthanc notes when it did something itself; they stay in the sidecars that are written. */
const ownTimes: ReadonlySet<string> = new Set(['LastUpdate', 'ReceptionDate']);

/** @returns whether two sidecars say the same, Orthanc's own times left aside. */
export function saysTheSame<Document extends StudySidecar | PatientSidecar>(a: Document, b: Document): boolean {
  return contentHash(withoutOwnTimes(a)) === contentHash(withoutOwnTimes(b));
}

function withoutOwnTimes(document: StudySidecar | PatientSidecar): object {
  if (document.format === 'orthanc-mirror-patient') return withoutTimesOf(document);
  const series = document.series.map((one) => ({
    ...withoutTimesOf(one),
    instances: one.instances.map(withoutTimesOf),
  }));
  return { ...withoutTimesOf(document), series };
}

function withoutTimesOf<Content extends ResourceContent>(content: Content): Content {
  const kept = Object.entries(content.systemMetadata).filter(([name]) => !ownTimes.has(name));
  return { ...content, systemMetadata: Object.fromEntries(kept) };
}
