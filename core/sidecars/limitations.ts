/** What a server cannot hold or tell of a study: said once per server, not once per study. */

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
