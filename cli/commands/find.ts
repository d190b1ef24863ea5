/** `find`: the studies of an archive by what identifies them. */

import type { Command } from 'commander';
import { parseStudyDate } from '../../core/archive-life/restore/moment.ts';
import { archiveOptions, atOption } from '../archive-options.ts';
import type { CommandContext } from '../command-context.ts';
import { findOptionValues } from '../find/options.ts';
import { checked, optionsOf, switchOption, valueOption } from '../options.ts';

export function registerFind(program: Command, context: CommandContext): void {
  const command = program
    .command('find')
    .summary('find studies in an archive')
    .description('Lists the studies of an archive for which everything holds that is given.')
    .addOption(valueOption('--patient <id...>', 'PatientID or Orthanc id of the patient'))
    .addOption(valueOption('--name <name...>', 'name of the patient, with * and ?: "doe*"'))
    .addOption(valueOption('--study <uid...>', 'StudyInstanceUID or Orthanc id of the study'))
    .addOption(valueOption('--accession <number...>', 'accession number'))
    .addOption(valueOption('--modality <name...>', 'modality of a series'))
    .addOption(valueOption('--since <date>', 'study date, this or later').argParser(checked(parseStudyDate)))
    .addOption(valueOption('--until <date>', 'study date, this or earlier').argParser(checked(parseStudyDate)))
    .addOption(switchOption('--deep', 'also read the headers of instances that no sidecar lists'));
  for (const option of [...archiveOptions(), atOption()]) command.addOption(option);
  command.action(async (values: unknown) => {
    const [{ listStudies }, { selectionOfFind }] = await Promise.all([
      import('../find/find.ts'),
      import('../find/find-selection.ts'),
    ]);
    const options = optionsOf(findOptionValues, values);
    context.finish(await listStudies(selectionOfFind(options), options, context));
  });
}
