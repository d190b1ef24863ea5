/** The options that name the queues of the cloud stack. */
import type { Option } from 'commander';
import { valueOption } from '../options.ts';

export function deadLetterQueueOption(): Option {
  return valueOption(
    '--dead-letter-queue <url>',
    'dead-letter queue of the stack (its output DeadLetterQueueUrl)',
  ).makeOptionMandatory();
}

export function queueOption(): Option {
  return valueOption('--queue <url>', 'queue of the stack (its output TransferQueueUrl)').makeOptionMandatory();
}
