/** Opens the stores of a run; a watch waits for what may still come. */
import { evenClock } from '../../core/clock.ts';
import type { OpenMirror } from '../../core/config/open.ts';
import { isMirrorError, MirrorError } from '../../core/errors.ts';
import { probePauseMs } from '../../core/mirror/pause/pause-state.ts';
import type { FutureTime } from '../../core/stores/archive/future-times.ts';
import type { NamedMirror } from '../named-mirror.ts';
import { openNamedMirror } from '../open-mirror.ts';
import type { Terminal } from '../terminal.ts';
import type { WatchObserver } from './watch-report.ts';

export interface OpenForRunOptions {
  readonly dryRun: boolean;
  /** Of a watch; absent: what cannot be opened now ends the run. */
  readonly report: WatchObserver | undefined;
  readonly terminal: Terminal;
  /** See `OpenMirrorOptions`. */
  readonly onFutureTime: (found: FutureTime) => void;
  readonly signal: AbortSignal;
}

const firstPauseMs = 1000;

/** Throws what opening throws; in a watch only what no waiting can change. */
export async function openForRun(
  mirror: NamedMirror,
  { dryRun, report, terminal, onFutureTime, signal }: OpenForRunOptions,
): Promise<OpenMirror> {
  const warned = new Set<string>();
  const warn = (line: string): void => {
    if (!warned.has(line)) terminal.warn(line);
    warned.add(line);
  };
  const absent = dryRun ? 'empty' : 'create';
  const outOfReach = report === undefined ? 'fail' : 'open-later';
  const open = () => openNamedMirror(mirror, { absent, outOfReach, onFutureTime, signal, warn });
  return report === undefined ? open() : oncePossible(open, report, signal);
}

async function oncePossible(
  open: () => Promise<OpenMirror>,
  report: WatchObserver,
  signal: AbortSignal,
): Promise<OpenMirror> {
  const begunAtMs = evenClock.nowMs();
  let subject: { readonly role: 'source'; readonly store: string } | undefined;
  for (let probes = 0; ; probes += 1) {
    try {
      const opened = await open();
      if (subject !== undefined) report.onEvent({ ...subject, kind: 'back', afterMs: evenClock.nowMs() - begunAtMs });
      return opened;
    } catch (error) {
      if (signal.aborted) throw new MirrorError('interrupted', 'stopped before the source answered', { cause: error });
      if (!mayPass(error)) throw error;
      // An archive that does not answer is opened later: only the source is waited for.
      subject = { role: 'source', store: error.store ?? 'server' };
      const { code, message: reason, advice } = error;
      const pauseMs = probePauseMs(probes, firstPauseMs);
      const sinceMs = evenClock.nowMs() - begunAtMs;
      report.onEvent({ ...subject, kind: 'away', code, reason, advice, sinceMs, askedAgainInMs: pauseMs });
      await evenClock.wait(pauseMs, signal);
    }
  }
}

/** Whether it may pass without anybody calling the command in another way. */
function mayPass(error: unknown): error is MirrorError {
  return (
    isMirrorError(error) &&
    !isMirrorError(error, 'configuration', 'archive-format', 'unknown-mirror', 'not-orthanc', 'preflight-refused')
  );
}
