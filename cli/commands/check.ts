/** `check`: says whether target and archive are equal to the source, and names every difference. */
import { type Command, Option } from 'commander';
import { checkLevels, checkOptionValues } from '../check/options.ts';
import type { CommandContext } from '../command-context.ts';
import { filterOptions } from '../limit-options.ts';
import { endpointOption, jsonOption, optionsOf, switchOption, valueOption } from '../options.ts';
import { serverOptions } from '../server-options.ts';
import { reportOption } from '../session.ts';

export function registerCheck(program: Command, context: CommandContext): void {
  const command = program
    .command('check')
    .summary('compare a server with another, an archive, or both')
    .description(
      'Compares the inventories of SOURCE, TARGET and archive by their hashes; downloads nothing, changes nothing. ' +
        'Each difference is a line: + missing there, - not at the source, * other bytes, ! not to be told. ' +
        'Exit code 0: equal; 4: differences.',
    )
    .argument('<source>', 'URL of the source server, or the name of a mirror in the configuration file')
    .argument('[target]', 'URL of the target server; may be absent if there is an archive')
    .addOption(valueOption('--archive <place>', 'archive: a folder, or s3://bucket/prefix'))
    .addOption(endpointOption())
    .addOption(valueOption('--config <file>', 'configuration file'))
    .addOption(
      new Option('--level <level>', 'tell differences by instance, series or study')
        .env('ORTHANC_MIRROR_LEVEL')
        .choices(checkLevels)
        .default('instance'),
    )
    .addOption(switchOption('--all', 'list equal instances too, with ='))
    .addOption(reportOption())
    .addOption(jsonOption());
  const ofMirror = [...filterOptions(), ...serverOptions('source'), ...serverOptions('target')];
  for (const option of ofMirror) command.addOption(option);
  command.action(async (source: string, target: string | undefined, values: unknown) => {
    const { check } = await import('../check/check.ts');
    context.finish(await check({ source, target, values, options: optionsOf(checkOptionValues, values) }, context));
  });
}
