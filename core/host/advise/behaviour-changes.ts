/**
 * What changes for users although the database stays as it is, and which released versions have known
 * vulnerabilities. Sources: NEWS of Orthanc and of its object-storage plugin; the release is named in each row.
 */
import { compareVersions, isBefore, type SoftwareVersion, version } from '../../orthanc-disk/orthanc-version.ts';

export interface BehaviourChange {
  readonly since: SoftwareVersion;
  readonly what: string;
  readonly action: string;
}

/** Oldest first. */
export const behaviourChanges: readonly BehaviourChange[] = [
  {
    since: version('1.9.1'),
    what: 'the attachment dicom-as-json is no longer written; /tags stops at PixelData',
    action: 'check scripts that read the attachment or the pixel data through /tags',
  },
  {
    since: version('1.11.0'),
    what: 'each resource has a signature of its main DICOM tags; old ones lack it',
    action: 'run the Housekeeper plugin, or POST /studies/{id}/reconstruct for each study',
  },
  {
    since: version('1.12.0'),
    what: '/instances/{id}/export is switched off',
    action: 'set "RestApiWriteToFileSystemEnabled" if a script needs it',
  },
  {
    since: version('1.12.5'),
    what: 'more main DICOM tags are kept; limit=0 in listings means all instead of none',
    action: 'run the Housekeeper plugin; check scripts that send limit=0',
  },
  {
    since: version('1.13.0'),
    what: 'no start without users when remote access and authentication are on; "OverwriteInstances" takes a text',
    action: 'define "RegisteredUsers" and review the configuration before the first start',
  },
];

/** The changes that somebody meets who goes from one version to another; none when going back. */
export function behaviourChangesBetween(from: SoftwareVersion, to: SoftwareVersion): readonly BehaviourChange[] {
  return behaviourChanges.filter(({ since }) => isBefore(from, since) && compareVersions(since, to) <= 0);
}

export interface Vulnerability {
  /** CVE numbers. */
  readonly names: string;
  readonly fixedIn: SoftwareVersion;
  readonly what: string;
}

/** Sources: NVD, CERT/CC (April 2026), NEWS of Orthanc. Oldest first. */
export const vulnerabilities: readonly Vulnerability[] = [
  {
    names: 'CVE-2023-33466',
    fixedIn: version('1.12.0'),
    what: 'users of the REST API can overwrite any file that the server may write, and so run code',
  },
  {
    names: 'CVE-2026-5437 to CVE-2026-5445',
    fixedIn: version('1.12.11'),
    what: 'crafted files and requests crash the server, use up or leak its memory, perhaps run code',
  },
  {
    names: 'CVE-2026-10528',
    fixedIn: version('1.13.0'),
    what: "a file with deeply nested sequences crashes the server; Debian's 1.13.0 was seen to crash on such a file all the same",
  },
];

/** The known vulnerabilities of a version. */
export function vulnerabilitiesOf(orthanc: SoftwareVersion): readonly Vulnerability[] {
  return vulnerabilities.filter(({ fixedIn }) => isBefore(orthanc, fixedIn));
}
