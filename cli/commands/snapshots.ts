/** `snapshots`: on which days an archive changed, and how. */
import type { Command } from 'commander';
import { archiveOptions, archiveOptionValues } from '../archive-options.ts';
import type { CommandContext } from '../command-context.ts';
import { optionsOf } from '../options.ts';

export function registerSnapshots(program: Command, context: CommandContext): void {
  const command = program
    .command('snapshots')
    .summary('list the days on which an archive changed')
    .description(
      'One line per day (UTC): instances added, further versions of instances, removals and returns at the source, ' +
        'sidecars. Any moment can be restored by `restore --at`.',
    );
  for (const option of archiveOptions()) command.addOption(option);
  command.action(async (values: unknown) => {
    const { showSnapshots } = await import('../snapshots/snapshots.ts');
    context.finish(await showSnapshots(optionsOf(archiveOptionValues, values), context));
  });
}
