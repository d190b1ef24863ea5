/** `status`: what the stores of a mirror hold, and how far it is. */
import type { Command } from 'commander';
import type { CommandContext } from '../command-context.ts';
import { withMirrorState } from '../mirror-state.ts';
import { optionsOf, switchOption, valueOption } from '../options.ts';
import { statusOptionValues } from '../status/options.ts';

export function registerStatus(program: Command, context: CommandContext): void {
  withMirrorState(program.command('status'))
    .summary('tell what the stores of a mirror hold, and what it waits for')
    .description(
      'Asks the servers how many instances they hold, and the archive when everything was compared, how the last ' +
        'commands ended, and what is paused. Counts are no proof: "check" compares. Exit code 7 if a server does not answer.',
    )
    .addOption(valueOption('--html <file>', 'also write it as a page, with a verdict on top'))
    .addOption(switchOption('--count-archive', 'count the archive too, by listing it'))
    .action(async (mirror: string | undefined, values: unknown) => {
      const { status } = await import('../status/status.ts');
      context.finish(await status(mirror, optionsOf(statusOptionValues, values), context));
    });
}
