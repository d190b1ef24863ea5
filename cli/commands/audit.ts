/** `audit`: compares an index with its storage, and puts orphans in quarantine. */
import type { Command } from 'commander';
import { auditOptionValues } from '../audit/options.ts';
import type { CommandContext } from '../command-context.ts';
import { durationOption } from '../duration.ts';
import {
  endpointOption,
  jsonOption,
  optionsOf,
  orthancConfigOption,
  otherStorageOption,
  switchOption,
  valueOption,
} from '../options.ts';
import { serverOptions } from '../server-options.ts';
import { reportOption } from '../session.ts';

export function registerAudit(program: Command, context: CommandContext): void {
  const command = program
    .command('audit')
    .summary('compare the index of an Orthanc with its storage, in both directions and to the bytes')
    .description(
      'Names every file that the index does not know, and every row whose file is missing or damaged, one line each. ' +
        'Works beside a running server. Exit code 0: none; 4: differences.',
    )
    .addOption(orthancConfigOption("Orthanc's configuration, a file or a folder: tells index and storage"))
    .addOption(valueOption('--index <place>', 'the index: a SQLite file, postgres://… or mysql://user@host/database'))
    .addOption(valueOption('--storage <place>', 'the storage: a folder, or s3://bucket/prefix of the plugin'))
    .addOption(otherStorageOption())
    .addOption(endpointOption())
    .addOption(valueOption('--archive <place>', 'also tell which damaged instances this archive can repair'))
    .addOption(switchOption('--repair', 'repair missing and damaged instances through the server, from the archive'))
    .addOption(valueOption('--to <url>', 'URL of the running server that --repair repairs'))
    .addOption(switchOption('--sizes-only', 'compare sizes, do not read the files'))
    .addOption(durationOption('--margin <time>', 'on a running server, files younger than this may lack their row yet'))
    .addOption(valueOption('--work <folder>', 'where a copy of a locked index goes meanwhile (default: system)'))
    .addOption(valueOption('--quarantine <folder>', 'move the files that the index does not know to this folder'))
    .addOption(switchOption('--undo', 'move everything in the quarantine folder back to where it was'))
    .addOption(switchOption('--delete-quarantined', 'delete from the quarantine folder what is --older-than'))
    .addOption(durationOption('--older-than <time>', 'for --delete-quarantined: 30d, 12h'))
    .addOption(reportOption())
    .addOption(jsonOption());
  for (const option of serverOptions('target')) command.addOption(option);
  command.action(async (values: unknown) => {
    const { runAudit } = await import('../audit/audit.ts');
    context.finish(await runAudit(optionsOf(auditOptionValues, values), values, context));
  });
}
