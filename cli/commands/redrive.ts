/** `redrive`: tries dead letters again. */
import type { Command } from 'commander';
import type { CommandContext } from '../command-context.ts';
import { queuesOption } from '../failures/queue-options.ts';
import { jsonOption, optionsOf, valueOption, wholeNumber } from '../options.ts';
import { redriveOptionValues } from '../redrive/options.ts';

const defaultPerSecond = 10;

export function registerRedrive(program: Command, context: CommandContext): void {
  program
    .command('redrive')
    .summary('try again the dead letters of the cloud stack')
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
    .addOption(valueOption('--code <code>', 'only dead letters of this reason, as "failures --json" tells it'))
    .addOption(jsonOption())
    .action(async (values: unknown) => {
      const { redrive } = await import('../failures/dead-letters.ts');
      context.finish(await redrive(optionsOf(redriveOptionValues, values), context));
    });
}
