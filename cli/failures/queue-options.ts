/** The option that names the queues of the cloud stack. */
import type { Option } from 'commander';
import { valueOption } from '../options.ts';

export function queuesOption(): Option {
  return valueOption('--queues <url>', 'queues of the stack (its output QueuesUrl)');
}
