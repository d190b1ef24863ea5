/** What the verifier function does for one mirror. */

import { sharesPerRun } from '../core/archive-life/verify/rotation.ts';
import { type FoundProblem, writeVerifyReport } from '../core/archive-life/verify/verify-report.ts';
import {
  rotationDocument,
  type ShareProblem,
  type ShareReport,
  verifyShare,
} from '../core/archive-life/verify/verify-share.ts';
import { verifiedNames } from '../core/config/destination-names.ts';
import type { SidecarFinding } from '../core/sidecars/sidecar-state.ts';
import { EveryVersion } from '../core/stores/archive/every-version.ts';
import type { CloudMirror } from './deployment.ts';
import { count } from './metrics-emitter.ts';
import { type NamedDestination, namedDestinations } from './named-destinations.ts';
import { errorFields, log, logFinding } from './telemetry.ts';

export interface VerifyReport {
  readonly sound: number;
  readonly damaged: number;
  readonly unverified: number;
  /** Destinations of which nothing could be listed. */
  readonly failed: readonly string[];
}

/**
 * Reads the next share of each destination back, one after the other. One that fails does not keep the others from
 * being read; if all fail, the first failure is thrown.
 * @param timeMs milliseconds for all of them together; each gets its part
 */
export async function verifyDestinations(mirror: string, open: CloudMirror, timeMs: number): Promise<VerifyReport> {
  const { everyDays } = open.configuration.verify;
  const names = verifiedNames(open.configuration);
  const chosen = namedDestinations(open).filter(({ name }) => names.includes(name));
  const reports: ShareReport[] = [];
  const problems: FoundProblem[] = [];
  const failures: unknown[] = [];
  const failed: string[] = [];
  const endsAtMs = performance.now() + timeMs;
  for (const [index, named] of chosen.entries()) {
    const partMs = Math.max(1, Math.floor((endsAtMs - performance.now()) / (chosen.length - index)));
    try {
      const deadline = AbortSignal.timeout(partMs);
      for (let shares = 0; shares < sharesPerRun(everyDays) && !deadline.aborted; shares += 1) {
        const report = await verifyOne(mirror, named, open, deadline);
        if (report === undefined) break;
        reports.push(report);
        problems.push(...report.problems.map((verified) => ({ destination: named.name, verified })));
      }
    } catch (error) {
      log('error', 'destination not verified', { mirror, destination: named.name, ...errorFields(error) });
      failures.push(error);
      failed.push(named.name);
    }
  }
  if (problems.length > 0) {
    await writeVerifyReport(open.archive.objects, problems, new Date());
  }
  if (failures.length > 0 && reports.length === 0) {
    throw failures[0];
  }
  return { ...countProblems(mirror, reports), failed };
}

async function verifyOne(
  mirror: string,
  { name, destination }: NamedDestination,
  { archive, configuration: { verify } }: CloudMirror,
  deadline: AbortSignal,
): Promise<ShareReport | undefined> {
  const document = rotationDocument(archive.objects, name);
  const isArchive = destination.role === 'archive';
  const store = isArchive ? new EveryVersion(archive) : destination.store;
  const onFinding = (finding: SidecarFinding) => logFinding(mirror, finding);
  const beside = isArchive ? { archive, onFinding } : undefined;
  const { everyDays } = verify;
  const report = await verifyShare({ store, beside, document, everyDays, now: () => new Date(), deadline });
  if (report === undefined) return undefined;
  const { sound, problems, complete } = report;
  for (const problem of problems) {
    const error = 'error' in problem && problem.error !== undefined ? errorFields(problem.error) : {};
    log('error', 'read back', { mirror, destination: name, id: problem.id, outcome: problem.kind, ...error });
  }
  const damaged = problems.filter(isDamage).length;
  log('info', 'share verified', {
    mirror,
    destination: name,
    sound,
    damaged,
    unverified: problems.length - damaged,
    complete,
  });
  return report;
}

function isDamage({ kind }: ShareProblem): boolean {
  return kind === 'damaged' || kind === 'lost';
}

function countProblems(mirror: string, reports: readonly ShareReport[]): Omit<VerifyReport, 'failed'> {
  const problems = reports.flatMap((report) => report.problems);
  const damaged = problems.filter(isDamage).length;
  const totals = {
    sound: reports.reduce((sum, { sound }) => sum + sound, 0),
    damaged,
    unverified: problems.length - damaged,
  };
  count('Sound', totals.sound, { mirror });
  count('Damaged', totals.damaged, { mirror });
  count('Unverified', totals.unverified, { mirror });
  return totals;
}
