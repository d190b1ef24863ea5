/** `diff`: what differs in an archive between two moments. */

import type { Command } from 'commander';
import { parseMoment } from '../../core/archive-life/restore/moment.ts';
import { archiveOptions, archiveOptionValues } from '../archive-options.ts';
import type { CommandContext } from '../command-context.ts';
import { checked, optionsOf } from '../options.ts';

export function registerDiff(program: Command, context: CommandContext): void {
  const command = program
    .command('diff')
    .summary('tell what changed in an archive between two times')
    .description(
      'A line per instance and per study whose document changed: + came, - was removed, * has other content. The times ' +
        'are written as for `restore --at`.',
    )
    .argument('<before>', 'first time: 2026-11-21, or 2026-11-21T10:30 (UTC)', checked(parseMoment))
    .argument('<after>', 'second time', checked(parseMoment));
  for (const option of archiveOptions()) command.addOption(option);
  command.action(async (before: string, after: string, values: unknown) => {
    const { showDifferences } = await import('../diff/diff.ts');
    context.finish(await showDifferences({ before, after }, optionsOf(archiveOptionValues, values), context));
  });
}
