/** `ls`: the studies of an archive, or the instances of one of them. */
import type { Command } from 'commander';
import { archiveOptions, archiveOptionValues, atOption } from '../archive-options.ts';
import type { CommandContext } from '../command-context.ts';
import { optionsOf } from '../options.ts';

export function registerLs(program: Command, context: CommandContext): void {
  const command = program
    .command('ls')
    .summary('list what an archive holds')
    .description('Lists the studies of an archive; of one study, its series and instances.')
    .argument('[study]', 'StudyInstanceUID or Orthanc id of a study');
  for (const option of [...archiveOptions(), atOption()]) command.addOption(option);
  command.action(async (study: string | undefined, values: unknown) => {
    const { listStudies, listStudy } = await import('../find/find.ts');
    const options = optionsOf(archiveOptionValues, values);
    const listed = study === undefined ? listStudies({}, options, context) : listStudy(study, options, context);
    context.finish(await listed);
  });
}
