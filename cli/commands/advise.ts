/** `advise`: tells how to get from one version of Orthanc to another. */
import { type Command, Option } from 'commander';
import { backends } from '../../core/orthanc-disk/found-server.ts';
import { adviseOptionValues } from '../advise/options.ts';
import type { CommandContext } from '../command-context.ts';
import { jsonOption, optionsOf, orthancConfigOption, valueOption } from '../options.ts';
import { serverOptions } from '../server-options.ts';

export function registerAdvise(program: Command, context: CommandContext): void {
  const command = program
    .command('advise')
    .summary('tell which upgrade of an Orthanc is possible, and how')
    .description(
      'Finds out version and database of an Orthanc, and tells the way to another version: nothing to do, an upgrade, ' +
        'scripts, or replication. Changes nothing. Exit code 0: nothing to do; 4: there is.',
    )
    .argument('[url]', 'URL of a running server')
    .addOption(
      valueOption('--index <place>', 'instead of a URL: a SQLite index file, or postgres://user@host/database'),
    )
    .addOption(orthancConfigOption("instead of a URL: Orthanc's configuration, a file or a folder"))
    .addOption(valueOption('--to <version>', 'the wanted version of Orthanc (default: the newest known)'))
    .addOption(valueOption('--to-plugin <version>', 'the wanted release of the index plugin'))
    .addOption(
      new Option('--to-backend <backend>', 'the wanted back-end of the index')
        .env('ORTHANC_MIRROR_TO_BACKEND')
        .choices(backends),
    )
    .addOption(jsonOption());
  for (const option of serverOptions('source')) command.addOption(option);
  command.action(async (url: string | undefined, values: unknown) => {
    const { runAdvise } = await import('../advise/advise.ts');
    context.finish(await runAdvise({ url, values, options: optionsOf(adviseOptionValues, values) }, context));
  });
}
