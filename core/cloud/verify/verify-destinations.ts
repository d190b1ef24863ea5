/** What the verifier function does for one mirror. */
import { sharesPerRun } from '../../archive-life/verify/rotation.ts';
import { type FoundProblem, writeVerifyReport } from '../../archive-life/verify/verify-report.ts';
import {
  rotationDocument,
  type ShareProblem,
  type ShareReport,
  verifyShare,
} from '../../archive-life/verify/verify-share.ts';
import type { SidecarFinding } from '../../sidecars/sidecar-state.ts';
import { EveryVersion } from '../../stores/archive/every-version.ts';
import { type CloudMirror, type NamedDestination, verifiedDestinations } from '../cloud-mirror.ts';

/** How many instances, and things beside them, were read back with which result. */
export interface VerifyCounts {
  readonly sound: number;
  readonly damaged: number;
  readonly unverified: number;
}

export interface VerifyReport extends VerifyCounts {
  /** Destinations of which nothing could be listed. */
  readonly failed: readonly string[];
}

/** Is told what is read back, by the names of mirror and destination. */
export interface VerifyObserver {
  onProblem(mirror: string, destination: string, problem: ShareProblem): void;
  /** @param complete whether the share was read to its end */
  onShare(mirror: string, destination: string, counts: VerifyCounts, complete: boolean): void;
  onFailure(mirror: string, destination: string, error: unknown): void;
  onFinding(mirror: string, finding: SidecarFinding): void;
}

/**
 * Reads the next share of each destination back, one after the other. One that fails does not keep the others from
 * being read; if all fail, the first failure is thrown.
 * @param timeMs milliseconds for all of them together; each gets its part
 */
export async function verifyDestinations(
  mirror: CloudMirror,
  timeMs: number,
  observer: VerifyObserver,
): Promise<VerifyReport> {
  const reports: ShareReport[] = [];
  const problems: FoundProblem[] = [];
  const failures: { readonly name: string; readonly error: unknown }[] = [];
  const chosen = verifiedDestinations(mirror);
  const endsAtMs = performance.now() + timeMs;
  for (const [index, named] of chosen.entries()) {
    const partMs = Math.max(1, Math.floor((endsAtMs - performance.now()) / (chosen.length - index)));
    try {
      for await (const report of verifyShares(named, mirror, AbortSignal.timeout(partMs), observer)) {
        reports.push(report);
        problems.push(...report.problems.map((verified) => ({ destination: named.name, verified })));
      }
    } catch (error) {
      observer.onFailure(mirror.name, named.name, error);
      failures.push({ name: named.name, error });
    }
  }
  if (problems.length > 0) await writeVerifyReport(mirror.archive.objects, problems, new Date());
  const [failure] = failures;
  if (failure !== undefined && reports.length === 0) throw failure.error;
  return { ...countsOf(reports), failed: failures.map(({ name }) => name) };
}

/** Reads as many shares as one run owes, while there is time and one is due. */
async function* verifyShares(
  { name, destination }: NamedDestination,
  { name: mirror, archive, configuration }: CloudMirror,
  deadline: AbortSignal,
  observer: VerifyObserver,
): AsyncGenerator<ShareReport> {
  const { everyDays } = configuration.verify;
  const document = rotationDocument(archive.objects, name);
  const isArchive = destination.role === 'archive';
  const store = isArchive ? new EveryVersion(archive) : destination.store;
  const onFinding = (finding: SidecarFinding) => observer.onFinding(mirror, finding);
  const beside = isArchive ? { archive, onFinding } : undefined;
  for (let shares = 0; shares < sharesPerRun(everyDays) && !deadline.aborted; shares += 1) {
    const report = await verifyShare({ store, beside, document, everyDays, now: () => new Date(), deadline });
    if (report === undefined) return;
    for (const problem of report.problems) observer.onProblem(mirror, name, problem);
    observer.onShare(mirror, name, countsOf([report]), report.complete);
    yield report;
  }
}

function countsOf(reports: readonly ShareReport[]): VerifyCounts {
  const problems = reports.flatMap((report) => report.problems);
  const damaged = problems.filter(({ kind }) => kind === 'damaged' || kind === 'lost').length;
  const sound = reports.reduce((sum, report) => sum + report.sound, 0);
  return { sound, damaged, unverified: problems.length - damaged };
}
