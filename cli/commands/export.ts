/** `export`: studies of an archive for a patient or another hospital. */
import type { Command } from 'commander';
import { archiveOptions, atOption } from '../archive-options.ts';
import type { CommandContext } from '../command-context.ts';
import { exportOptionValues } from '../export/options.ts';
import { optionsOf, switchOption, valueOption } from '../options.ts';

export function registerExport(program: Command, context: CommandContext): void {
  const command = program
    .command('export')
    .summary('give studies of an archive to a patient or another hospital')
    .description(
      'Writes studies to a folder or a zip file: DICOM files with a DICOMDIR, pages that any browser opens from the ' +
        'medium, and the hashes of all files. What is damaged is left out and reported (exit code 3).',
    )
    .addOption(valueOption('--study <uid...>', 'StudyInstanceUID or Orthanc id of a study'))
    .addOption(valueOption('--patient <id...>', 'PatientID or Orthanc id of a patient: all studies'))
    .addOption(valueOption('--to <place>', 'a new folder, or a file that ends in .zip').makeOptionMandatory())
    .addOption(switchOption('--files-only', 'no pages with pictures, only files, DICOMDIR and hashes'));
  for (const option of [...archiveOptions(), atOption()]) command.addOption(option);
  command.action(async (values: unknown) => {
    const { exportStudies } = await import('../export/export.ts');
    context.finish(await exportStudies(optionsOf(exportOptionValues, values), context));
  });
}
