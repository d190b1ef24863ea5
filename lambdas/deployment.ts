/** The deployment of a function; what the stores of its mirrors tell goes to its log. */
import type { MirrorObserver } from '../core/cloud/cloud-mirror.ts';
import { type Deployment, openDeployment as open } from '../core/cloud/deployment.ts';
import type { ArchiveWriter } from '../core/stores/archive/history-record.ts';
import { log, logFinding } from './telemetry.ts';

const observer: MirrorObserver = {
  onFinding: logFinding,
  onFutureTime: (mirror, { key: archiveKey }) => log('warn', 'time in the future', { mirror, archiveKey }),
  onLimitation: ({ server, code }) => log('warn', 'limitation', { destination: server, code }),
  onReplacement(mirror, { store }, { id, kind, error }) {
    const fields = { mirror, destination: store.name, id, outcome: kind, code: error?.code };
    log(kind === 'finished' ? 'info' : 'warn', 'interrupted replacement', fields);
  },
};

/** See {@link open}. */
export function openDeployment(writer?: ArchiveWriter): Promise<Deployment> {
  return open(observer, writer);
}
