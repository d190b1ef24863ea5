/** What the transfer function tells in log and metrics. */
import type { BatchObserver } from '../core/cloud/transfer/transfer-batch.ts';
import type { DestinationOutcome } from '../core/copy/outcome.ts';
import { count } from './metrics-emitter.ts';
import type { LambdaDelivery } from './sqs-event.ts';
import { answeredFields, errorFields, log, logFinding, wordOfVerdict } from './telemetry.ts';

const metricOfVerdict = {
  done: 'Done',
  return: 'Retried',
  renew: 'Renewed',
  'dead-letter': 'DeadLettered',
} as const;

export const transferObserver: BatchObserver<LambdaDelivery> = {
  onInstance(mirror, id, outcome, sizeBytes) {
    const { kind } = outcome;
    const subject = { mirror };
    count('Copied', kind === 'copied' ? 1 : 0, subject);
    count('CopiedBytes', kind === 'copied' ? sizeBytes : 0, subject);
    count('AlreadyEqual', kind === 'already-equal' ? 1 : 0, subject);
    count('Conflicts', kind === 'conflict' ? 1 : 0, subject);
    count('Rejected', kind === 'rejected' ? 1 : 0, subject);
    count('Vanished', kind === 'vanished' ? 1 : 0, subject);
    logOutcome('instance handled', mirror, id, outcome);
  },

  onSidecar(mirror, studyId, outcome) {
    count('StudiesWritten', outcome.kind === 'copied' ? 1 : 0, { mirror });
    logOutcome('sidecar handled', mirror, studyId, outcome);
  },

  onRestored(mirror, id, outcome, sizeBytes) {
    const isCopied = outcome.kind === 'copied';
    count('Restored', isCopied ? 1 : 0, { mirror });
    count('RestoredBytes', isCopied ? sizeBytes : 0, { mirror });
    logOutcome('instance restored', mirror, id, outcome);
  },

  onSidecarRestored(mirror, destination, { studyId: id, kind: outcome, error, kept, lost }) {
    const counts = { kept: kept.length, lost: lost.length };
    log('info', 'study restored', { mirror, id, destination, outcome, code: error?.code, ...counts });
  },

  onFinding: logFinding,

  /** One line and one count per message that was answered. */
  onAnswered(mirror, delivery, { message, verdict, error }) {
    count(metricOfVerdict[verdict.kind], 1, { mirror });
    count('TransferDeadlineHits', error?.code === 'deadline' ? 1 : 0, { mirror });
    log(
      error === undefined || error.disposition === 'skip' ? 'info' : 'warn',
      `message ${wordOfVerdict[verdict.kind]}`,
      {
        mirror,
        id: message?.id,
        ...answeredFields(delivery, { verdict, error }),
      },
    );
  },

  onUnanswered: ({ messageId }, error) =>
    log('error', 'message could not be answered', { messageId, ...errorFields(error) }),
};

function logOutcome(what: string, mirror: string, id: string, { destination, kind, error }: DestinationOutcome): void {
  log('info', what, { mirror, id, destination: destination.store.name, outcome: kind, code: error?.code });
}
