/** The option that names the queues of the cloud stack. */
import type { Option } from 'commander';
import { urlOption } from '../options.ts';

export function queuesOption(): Option {
  return urlOption('--queues', 'queues of the stack (its output QueuesUrl)');
}
