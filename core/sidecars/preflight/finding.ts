/** What a preflight can find, and how grave it is. */

/**
 * - `halt`: mirroring to this target would lose or spoil something; nothing is written.
 * - `risk`: it may; nothing is written unless the user insists (`--force`).
 * - `note`: worth knowing; nothing is held up.
 */
export type Severity = 'halt' | 'risk' | 'note';

export type FindingCode =
  | 'same-server'
  | 'read-only'
  | 'transcodes-lossy'
  | 'transcodes-lossless'
  | 'recycles'
  | 'patient-limit'
  | 'storage-too-small'
  | 'overwrites'
  | 'no-hashes'
  | 'old-version'
  | 'settings-hidden'
  | 'source-recycles'
  | 'source-no-hashes'
  | 'rewrites-files';

export interface Finding {
  readonly code: FindingCode;
  readonly severity: Severity;
  /** One line: what it means for this mirror and what to do. */
  readonly message: string;
}
