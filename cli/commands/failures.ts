/** `failures`: what could not be copied, with the reasons. */
import type { Command } from 'commander';
import type { CommandContext } from '../command-context.ts';
import { failuresOptionValues } from '../failures/options.ts';
import { queuesOption } from '../failures/queue-options.ts';
import { jsonOption, optionsOf, valueOption } from '../options.ts';

export function registerFailures(program: Command, context: CommandContext): void {
  program
    .command('failures')
    .summary('list the dead letters of the cloud stack, with the reasons')
    .description(
      'Reads the dead-letter queue of the stack and leaves everything there: one line per instance with its id, its ' +
        'mirror and the reason. Exit code 0: there is nothing; 3: there is something.',
    )
    .addOption(queuesOption().makeOptionMandatory())
    .addOption(valueOption('--mirror <name>', 'of this mirror only'))
    .addOption(jsonOption())
    .action(async (values: unknown) => {
      const { failures } = await import('../failures/dead-letters.ts');
      context.finish(await failures(optionsOf(failuresOptionValues, values), context));
    });
}
