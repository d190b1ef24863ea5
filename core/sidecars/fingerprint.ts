/**
 * One hash for what users attached to a study: equal where two places hold the same labels, metadata, attachments and
 * protection, whatever else differs between them. Pure.
 */
import { createHash } from 'node:crypto';
import type { OrthancId, ResourceLevel } from '../identifiers.ts';
import { bytesOf } from './metadata-value.ts';
import type { PatientSidecar, ResourceContent, StudySidecar } from './sidecar.ts';
import type { StudyServer } from './study-server.ts';

export interface StudyFingerprint {
  readonly studyId: OrthancId;
  /** 32 hexadecimal digits, or `''` where nothing is attached. Tells nothing of a patient. */
  readonly fingerprint: string;
}

/** What fingerprints cover; only those of one scope can be compared. */
export interface FingerprintScope {
  readonly labels: boolean;
  readonly patients: boolean;
}

/** @returns the widest scope that all servers can hold. */
export function commonScope(servers: readonly StudyServer[]): FingerprintScope {
  return {
    labels: servers.every(({ capabilities }) => capabilities.hasLabels),
    patients: servers.every(({ capabilities }) => capabilities.hasPatientLevel),
  };
}

const modulus = 2n ** 128n;

/** A sum of hashes: what is attached may be added in any order. */
export class FingerprintSum {
  #sum = 0n;

  /** Adds what is attached to one resource. */
  add(level: ResourceLevel, id: OrthancId, content: Partial<ResourceContent>, scope: FingerprintScope): void {
    const at = `${level} ${id}`;
    if (scope.labels) for (const label of content.labels ?? []) this.#add(`${at} label ${label}`);
    for (const [number, value] of Object.entries(content.metadata ?? {})) {
      this.#add(Buffer.concat([Buffer.from(`${at} metadata ${number} `), bytesOf(value)]));
    }
    for (const [number, { md5 }] of Object.entries(content.attachments ?? {})) {
      this.#add(`${at} attachment ${number} ${md5}`);
    }
  }

  addProtection(patient: OrthancId): void {
    this.#add(`patients ${patient} protected`);
  }

  addSum(other: FingerprintSum | undefined): void {
    if (other !== undefined) this.#sum = (this.#sum + other.#sum) % modulus;
  }

  toString(): string {
    return this.#sum === 0n ? '' : this.#sum.toString(16).padStart(32, '0');
  }

  #add(what: string | Uint8Array): void {
    const digest = createHash('sha256').update(what).digest('hex').slice(0, 32);
    this.#sum = (this.#sum + BigInt(`0x${digest}`)) % modulus;
  }
}

/** The fingerprint of sidecars, equal to that of the server that they were read from. */
export function fingerprintOf(
  study: StudySidecar,
  patient: PatientSidecar | undefined,
  scope: FingerprintScope,
): string {
  const sum = new FingerprintSum();
  sum.add('studies', study.id, study, scope);
  for (const series of study.series) {
    sum.add('series', series.id, series, scope);
    for (const instance of series.instances) sum.add('instances', instance.id, instance, scope);
  }
  sum.addSum(patient && sumOfPatient(patient, scope));
  return sum.toString();
}

/** The part of a patient in the fingerprints of all its studies. */
function sumOfPatient(patient: PatientSidecar, scope: FingerprintScope): FingerprintSum {
  const sum = new FingerprintSum();
  if (!scope.patients) return sum;
  sum.add('patients', patient.id, patient, scope);
  if (patient.protected) sum.addProtection(patient.id);
  return sum;
}
