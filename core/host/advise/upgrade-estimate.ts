/** How long an upgrade takes, from measured rates; a range, because disks differ more than anything else. */
import { measuredInstances, type PluginRevision } from './plugin-revisions.ts';

export interface Estimate {
  readonly shortestMs: number;
  readonly longestMs: number;
  /** What the figures rest on. */
  readonly basis: string;
}

/**
 * `Orthanc --upgrade` from version 5 or older reads every DICOM file once, one after the other. Parsing took 1 to 6 ms
 * per file on two cores (half of what storing it costs); disks give 20 to 200 MB/s.
 */
const parseMs = { shortest: 1, longest: 6 };
const diskBytesPerMs = { fastest: 200_000, slowest: 20_000 };

/** The time of `Orthanc --upgrade`; `undefined` when neither instances nor bytes are known. */
export function estimateReread(instances: number | undefined, storedBytes: number | undefined): Estimate | undefined {
  if (instances === undefined) return undefined;
  const bytes = storedBytes ?? 0;
  return {
    shortestMs: instances * parseMs.shortest + bytes / diskBytesPerMs.fastest,
    longestMs: instances * parseMs.longest + bytes / diskBytesPerMs.slowest,
    basis: `${instances} files, ${bytes} bytes: 1 to 6 ms per file and 20 to 200 MB/s`,
  };
}

/** The time of a plugin's own steps, in proportion to what was measured on 150 million instances. */
export function estimateSteps(instances: number | undefined, steps: readonly PluginRevision[]): Estimate | undefined {
  if (instances === undefined) return undefined;
  const minutes = steps.reduce((sum, step) => sum + (step.stepMinutes ?? 0), 0);
  const proportionalMs = (minutes * 60_000 * instances) / measuredInstances;
  return {
    shortestMs: proportionalMs / 2,
    longestMs: proportionalMs * 2 + 1000,
    basis: `${minutes} minutes for 150 million instances (75 TB), in proportion to ${instances}`,
  };
}
