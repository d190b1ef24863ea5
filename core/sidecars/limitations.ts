/** What a server cannot hold or tell of a study: said once per server, not once per study. */
import type { ResourceContent } from './sidecar.ts';
import type { StudyServer } from './study-server.ts';

/** Every limitation with what it means and what to do. */
const meanings = {
  'labels-unsupported':
    'it cannot hold labels (Orthanc before 1.12.0, or its database): labels are kept in the archive only. Upgrade it to have them',
  'system-metadata':
    'REST cannot write metadata below 1024 (reception date, remote AET, origin, …): the values of the source are kept in the archive only',
  'metadata-number-unknown':
    'it lists user metadata by names whose numbers it does not tell (Orthanc before 1.12.0): they are kept in the archive by name and are not copied. Give their numbers in the configuration, or upgrade it',
  'patient-level-disabled':
    'its patient level is disabled (PatientLevelEnabled): labels, metadata, attachments and protection of patients are not mirrored',
} as const;

export type LimitationCode = keyof typeof meanings;

export interface Limitation {
  /** Name of the server. */
  readonly server: string;
  readonly code: LimitationCode;
  /** One line. */
  readonly message: string;
}

/** Collects limitations; one per process or invocation. */
export class Limitations {
  readonly #found = new Map<string, Limitation>();
  readonly #report: (limitation: Limitation) => void;

  /** `report` is called for each limitation when it is met for the first time. */
  constructor(report: (limitation: Limitation) => void = () => undefined) {
    this.#report = report;
  }

  add(server: string, code: LimitationCode): void {
    const key = `${code} ${server}`;
    if (this.#found.has(key)) return;
    const limitation = { server, code, message: `${server}: ${meanings[code]}.` };
    this.#found.set(key, limitation);
    this.#report(limitation);
  }

  get all(): readonly Limitation[] {
    return [...this.#found.values()];
  }
}

type KindsOfContent = Pick<ResourceContent, 'labels' | 'systemMetadata' | 'namedMetadata'>;

/** Which kinds of content, of those that not every server can hold or tell, were met. */
export class MetContent {
  labels = false;
  systemMetadata = false;
  /** User metadata under a name whose number is not known. */
  namedMetadata = false;

  constructor(contents: Iterable<KindsOfContent> = []) {
    for (const content of contents) this.add(content);
  }

  add({ labels, systemMetadata, namedMetadata }: KindsOfContent): void {
    this.labels ||= labels.length > 0;
    this.systemMetadata ||= isAny(systemMetadata);
    this.namedMetadata ||= isAny(namedMetadata);
  }
}

function isAny(values: Readonly<Record<string, unknown>>): boolean {
  return Object.keys(values).length > 0;
}

/** Says what of its content a source cannot tell. */
export function noteSourceLimits(met: MetContent, { client }: StudyServer, limitations: Limitations): void {
  if (met.namedMetadata) limitations.add(client.name, 'metadata-number-unknown');
}

/** Says what of the content a target cannot hold. */
export function noteTargetLimits(
  met: MetContent,
  { client, capabilities }: StudyServer,
  limitations: Limitations,
): void {
  if (met.labels && !capabilities.hasLabels) limitations.add(client.name, 'labels-unsupported');
  if (met.systemMetadata) limitations.add(client.name, 'system-metadata');
}
