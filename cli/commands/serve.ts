/** `serve`: a watch that hooks in the source wake. */
import type { Command } from 'commander';
import type { CommandContext } from '../command-context.ts';
import { bandwidthOption, filterOptions } from '../limit-options.ts';
import {
  endpointOption,
  heartbeatOption,
  jsonOption,
  optionsOf,
  switchOption,
  valueOption,
  wholeNumber,
} from '../options.ts';
import { serveOptionValues } from '../serve/options.ts';
import { serverOptions } from '../server-options.ts';

export function registerServe(program: Command, context: CommandContext): void {
  const command = program
    .command('serve')
    .summary('mirror for good, woken by the hooks of the source')
    .description(
      'Does what "run --watch" does, and listens for the hooks of the source (docs/hooks.md), which announce what is ' +
        'new so that it is copied at once. Without them, the change feed tells it a little later.',
    )
    .argument('<source>', 'URL of the source server, or the name of a mirror in the configuration file')
    .argument('[target]', 'URL of the target server; may be absent if there is an archive')
    .addOption(valueOption('--archive <place>', 'archive: a folder, or s3://bucket/prefix'))
    .addOption(endpointOption())
    .addOption(valueOption('--config <file>', 'configuration file'))
    .addOption(valueOption('--listen <host:port>', 'where the hooks reach us (default: 127.0.0.1:8060)'))
    .addOption(valueOption('--secret-file <file>', 'file with the secret that the hooks send').makeOptionMandatory())
    .addOption(valueOption('--mirror <name>', 'name by which the hooks call the mirror (default: SOURCE, or main)'))
    .addOption(
      valueOption('--concurrency <n>', 'most instances copied at once (default: 48)').argParser(wholeNumber(1)),
    )
    .addOption(switchOption('--succeed', 'SOURCE takes the place of the source that the archive belongs to, for good'))
    .addOption(heartbeatOption())
    .addOption(jsonOption());
  const ofMirror = [...filterOptions(), bandwidthOption(), ...serverOptions('source'), ...serverOptions('target')];
  for (const option of ofMirror) command.addOption(option);
  command.action(async (source: string, target: string | undefined, values: unknown) => {
    const { serve } = await import('../serve/serve.ts');
    context.finish(await serve({ source, target, values, options: optionsOf(serveOptionValues, values) }, context));
  });
}
