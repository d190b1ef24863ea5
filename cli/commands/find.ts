/** `find`: the studies of an archive by what identifies them. */
import type { Command } from 'commander';
import { z } from 'zod';
import type { CommandContext } from '../command-context.ts';
import { switchOption, valueOption } from '../options.ts';
import { archiveOptions, archiveOptionValues, atOption } from '../restore/archive-options.ts';

export const findOptionValues = archiveOptionValues.extend({
  patient: z.array(z.string()).optional(),
  study: z.array(z.string()).optional(),
  accession: z.array(z.string()).optional(),
  modality: z.array(z.string()).optional(),
  since: z.string().optional(),
  until: z.string().optional(),
});
export type FindOptionValues = z.output<typeof findOptionValues>;

export function registerFind(program: Command, context: CommandContext): void {
  const command = program
    .command('find')
    .summary('find studies in an archive')
    .description('Lists the studies of an archive for which everything holds that is given.')
    .addOption(valueOption('--patient <id...>', 'PatientID or Orthanc id of the patient'))
    .addOption(valueOption('--study <uid...>', 'StudyInstanceUID or Orthanc id of the study'))
    .addOption(valueOption('--accession <number...>', 'accession number'))
    .addOption(valueOption('--modality <name...>', 'modality of a series'))
    .addOption(valueOption('--since <date>', 'study date, this or later'))
    .addOption(valueOption('--until <date>', 'study date, this or earlier'))
    .addOption(switchOption('--deep', 'also read the headers of instances that no study document lists'));
  for (const option of [...archiveOptions(), atOption()]) command.addOption(option);
  command.action(async (values: unknown) => {
    const [{ listStudies }, { selectionOfFind }] = await Promise.all([
      import('../restore/show-studies.ts'),
      import('../restore/find-selection.ts'),
    ]);
    const options = findOptionValues.parse(values);
    context.finish(await listStudies(selectionOfFind(options), options, context));
  });
}
