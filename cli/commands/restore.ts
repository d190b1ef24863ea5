/** `restore`: brings an archive, or a part of it, as it was at a moment, to a server or a folder. */

import type { Command } from 'commander';
import { parseMoment, parseStudyDate } from '../../core/archive-life/restore/moment.ts';
import type { CommandContext } from '../command-context.ts';
import { checked, endpointOption, jsonOption, optionsOf, switchOption, valueOption, wholeNumber } from '../options.ts';
import { restoreOptionValues } from '../restore/options.ts';
import { serverOptions } from '../server-options.ts';
import { reportOption } from '../session.ts';

export function registerRestore(program: Command, context: CommandContext): void {
  const command = program
    .command('restore')
    .summary('restore an archive to a server or a folder')
    .description(
      'Copies what the archive holds, or held at a moment, and what the target lacks: instances first, then labels, ' +
        'metadata and attachments; every copy is verified by its hash. What the target has already stays as it is. ' +
        'Needs nothing but the archive. Running again goes on where it stopped.',
    )
    .addOption(valueOption('--archive <place>', 'archive: a folder, or s3://bucket/prefix').makeOptionMandatory())
    .addOption(endpointOption())
    .addOption(valueOption('--to <place>', 'URL of a server, or a folder').makeOptionMandatory())
    .addOption(
      valueOption(
        '--at <time>',
        'restore what was there at this time: 2026-11-21, or 2026-11-21T10:30 (UTC)',
      ).argParser(checked(parseMoment)),
    )
    .addOption(valueOption('--patient <id...>', 'only patients of this PatientID or Orthanc id'))
    .addOption(valueOption('--study <uid...>', 'only studies of this StudyInstanceUID or Orthanc id'))
    .addOption(valueOption('--series <uid...>', 'only series of this SeriesInstanceUID or Orthanc id'))
    .addOption(
      valueOption('--since <date>', 'only studies of this study date or later').argParser(checked(parseStudyDate)),
    )
    .addOption(
      valueOption('--until <date>', 'only studies of this study date or earlier').argParser(checked(parseStudyDate)),
    )
    .addOption(switchOption('--include-removed', 'also what was removed from the source by then'))
    .addOption(
      switchOption('--replace', 'make what the target has as in the archive; what is replaced is saved there before'),
    )
    .addOption(switchOption('--repair', 'repair a server: read back all it holds, replace what is damaged or missing'))
    .addOption(
      valueOption(
        '--missing-since <time>',
        'with --repair: of what is missing, only what was archived since',
      ).argParser(checked(parseMoment)),
    )
    .addOption(
      switchOption(
        '--thaw',
        'ask S3 for copies of what lies in a cold storage class; a restore without it tells the price',
      ),
    )
    .addOption(switchOption('--verify', 'then read back everything that was selected, and hash it'))
    .addOption(
      valueOption(
        '--queues <url>',
        'let the stack restore: its queues (its output QueuesUrl); --to names a target of the configuration',
      ),
    )
    .addOption(valueOption('--mirror <name>', 'with --queues: the mirror, if it is not called as the archive says'))
    .addOption(switchOption('--force', 'go on in spite of a risk that the look at the target found'))
    .addOption(switchOption('--dry-run', 'compare only, and name everything that would be added, replaced or kept'))
    .addOption(
      valueOption('--concurrency <n>', 'most instances copied at once (default: 48)').argParser(wholeNumber(1)),
    )
    .addOption(reportOption())
    .addOption(jsonOption());
  for (const option of serverOptions('target')) command.addOption(option);
  command.action(async (values: unknown) => {
    const options = optionsOf(restoreOptionValues, values);
    if (options.queues !== undefined) {
      const { queueRestore } = await import('../restore/queue-restore.ts');
      context.finish(await queueRestore(options, options.queues, context));
      return;
    }
    const { restore } = await import('../restore/restore.ts');
    context.finish(await restore({ values, options }, context));
  });
}
