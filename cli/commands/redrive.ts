/** `redrive`: tries again what was put aside. */
import type { Command } from 'commander';
import { z } from 'zod';
import type { CommandContext } from '../command-context.ts';
import { queuesOption } from '../ops/queue-options.ts';
import { jsonOption, valueOption, wholeNumber } from '../options.ts';

/** Slow enough for any server, and 36,000 in an hour. */
const defaultPerSecond = 10;

export const redriveOptionValues = z.object({
  queues: z.url(),
  rate: z.number().default(defaultPerSecond),
  limit: z.number().optional(),
  mirror: z.string().optional(),
  code: z.string().optional(),
  json: z.boolean().optional(),
});

export function registerRedrive(program: Command, context: CommandContext): void {
  program
    .command('redrive')
    .summary('try again what the cloud stack put aside')
    .description(
      'Moves messages from the dead-letter queue of the stack back to the queues of their mirrors, when the reason that ' +
        '"failures" tells is gone. What is none of ours, or of no mirror of the stack, stays where it is.',
    )
    .addOption(queuesOption().makeOptionMandatory())
    .addOption(
      valueOption('--rate <n>', `messages per second (default: ${defaultPerSecond})`).argParser(wholeNumber(1)),
    )
    .addOption(valueOption('--limit <n>', 'stop after so many').argParser(wholeNumber(1)))
    .addOption(valueOption('--mirror <name>', 'of this mirror only'))
    .addOption(valueOption('--code <code>', 'only what was put aside for this reason, as "failures --json" tells it'))
    .addOption(jsonOption())
    .action(async (values: unknown) => {
      const { redrive } = await import('../ops/dead-letters.ts');
      context.finish(await redrive(redriveOptionValues.parse(values), context));
    });
}
