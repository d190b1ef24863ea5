/** What the inbox function tells in log and metrics. */
import type { InboxObserver } from '../core/cloud/inbox/inbox-batch.ts';
import { count } from './metrics-emitter.ts';
import type { LambdaDelivery } from './sqs-event.ts';
import { answeredFields, errorFields, log, wordOfVerdict } from './telemetry.ts';

export const inboxObserver: InboxObserver<LambdaDelivery> = {
  onHandled(mirror, { kind, counts }, error) {
    count('InboxTaken', kind === 'done' ? 1 : 0, { mirror });
    count('InboxRefused', kind === 'refused' ? 1 : 0, { mirror });
    count('InboxStored', counts.stored ?? 0, { mirror });
    count('InboxAlreadyThere', counts['already-there'] ?? 0, { mirror });
    log(kind === 'refused' ? 'warn' : 'info', 'object handled', {
      mirror,
      outcome: kind,
      code: error?.code,
      stored: counts.stored,
      alreadyThere: counts['already-there'],
      notDicom: counts['not-dicom'],
      refused: counts.refused,
    });
  },

  onDelayed: (mirror) => count('InboxDelayed', 1, { mirror }),

  onAnswered: (delivery, answered) =>
    log(
      answered.error === undefined ? 'info' : 'warn',
      `notification ${wordOfVerdict[answered.verdict.kind]}`,
      answeredFields(delivery, answered),
    ),

  onUnanswered: ({ messageId }, error) =>
    log('error', 'notification could not be answered', { messageId, ...errorFields(error) }),
};
