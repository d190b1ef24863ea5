/** A configured mirror as the functions work with it. */

import { archiveInStack, type StackStorage } from '../config/archive-location.ts';
import { destinationNames, verifiedNames } from '../config/destination-names.ts';
import { type OpenMirror, type OpenMirrorOptions, openMirror } from '../config/open.ts';
import type { MirrorConfiguration } from '../config/schema.ts';
import { sourceName, targetStoreName } from '../config/store-names.ts';
import type { Destination } from '../copy/outcome.ts';
import { MirrorError } from '../errors.ts';
import { sidecarSyncOf } from '../mirror/parts.ts';
import { type Pause, pauseBeside } from '../mirror/pause/pause.ts';
import type { SidecarSync, SyncReport } from '../mirror/sidecar-sync.ts';
import { type Limitation, Limitations } from '../sidecars/limitations.ts';
import { type SidecarFinding, SidecarFindings } from '../sidecars/sidecar-state.ts';
import type { Archive } from '../stores/archive/archive.ts';
import type { FutureTime } from '../stores/archive/future-times.ts';

/** A mirror whose stores are open; in the cloud each has an archive, which also holds its state. */
export interface CloudMirror extends OpenMirror {
  /** As it is called in the configuration. */
  readonly name: string;
  readonly configuration: MirrorConfiguration;
  readonly archive: Archive;
  readonly pause: Pause;
  readonly limitations: Limitations;
  /** Keeps sidecars equal. */
  readonly sidecars: SidecarSync;
}

/** Is told what the stores of a mirror tell while a function works with them. */
export interface MirrorObserver {
  /** Of a sidecar in the archive: once in a while of a function, however often it is read. */
  onFinding(mirror: string, finding: SidecarFinding): void;
  /** A time that lies in the future: a clock was wrong; nothing else follows from it. */
  onFutureTime(mirror: string, found: FutureTime): void;
  onLimitation(limitation: Limitation): void;
  /** What a replacement at a destination, which was interrupted, still had to write there. */
  onReplacement(mirror: string, ...finished: Parameters<NonNullable<SyncReport['onRepairFinished']>>): void;
}

export type CloudMirrorOptions = Pick<OpenMirrorOptions, 'secrets' | 'writer' | 'processes' | 'egress'> & {
  readonly stack: StackStorage;
  readonly observer: MirrorObserver;
};

/** Opens a mirror. Throws `unknown-mirror`, `configuration` for one without an archive, and what opening throws. */
export async function openCloudMirror(
  name: string,
  configuration: MirrorConfiguration | undefined,
  { stack, observer, ...options }: CloudMirrorOptions,
): Promise<CloudMirror> {
  if (configuration === undefined) {
    throw new MirrorError('unknown-mirror', `There is no mirror ${name} in the configuration of this deployment.`);
  }
  const mirror = {
    source: { name: sourceName(name), configuration: configuration.source },
    targets: Object.entries(configuration.targets).map(([target, server]) => ({
      name: targetStoreName(name, target),
      configuration: server,
    })),
    archive: configuration.archive && archiveInStack(name, configuration.archive, stack),
    limits: configuration,
  };
  const opened = await openMirror(mirror, {
    ...options,
    archiveName: name,
    askSource: false,
    absent: 'create-or-wait',
    outOfReach: 'throw',
    onFutureTime: (found) => observer.onFutureTime(name, found),
  });
  const { archive } = opened;
  if (archive === undefined) {
    await opened[Symbol.asyncDispose]();
    throw new MirrorError(
      'configuration',
      `The mirror ${name} has no archive, which holds its state; add "archive": {}.`,
    );
  }
  const limitations = new Limitations((limitation) => observer.onLimitation(limitation));
  const report: SyncReport = {
    onFinding: new SidecarFindings((finding) => observer.onFinding(name, finding)).note,
    onRepairFinished: (destination, finished) => observer.onReplacement(name, destination, finished),
  };
  const sidecars = sidecarSyncOf(opened, limitations, { report });
  return { ...opened, name, configuration, archive, pause: pauseBeside(archive.objects), limitations, sidecars };
}

/** A destination and what it is called in metrics and reports. */
export interface NamedDestination {
  readonly name: string;
  readonly destination: Destination;
}

/** The destinations of a mirror with their names: both are in the order of the configuration. */
export function namedDestinations({ configuration, destinations }: CloudMirror): NamedDestination[] {
  const names = destinationNames(configuration);
  return destinations.map((destination, index) => ({ name: names[index] ?? destination.role, destination }));
}

/** Those of them that are read back. */
export function verifiedDestinations(mirror: CloudMirror): NamedDestination[] {
  const names = verifiedNames(mirror.configuration);
  return namedDestinations(mirror).filter(({ name }) => names.includes(name));
}
