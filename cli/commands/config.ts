/** `config`: checks and explains a configuration file. */
import type { Command } from 'commander';
import type { CommandContext } from '../command-context.ts';
import { configOptionValues } from '../config/options.ts';
import { jsonOption, optionsOf, switchOption } from '../options.ts';

export function registerConfig(program: Command, context: CommandContext): void {
  const config = program.command('config').summary('check and explain a configuration file');
  config
    .command('check')
    .summary('tell every problem of a configuration file')
    .argument('<file>', 'configuration file')
    .addOption(switchOption('--cloud', 'also what it needs to run in the cloud stack'))
    .addOption(jsonOption())
    .action(async (file: string, values: unknown) => {
      const { checkConfiguration } = await import('../config/config.ts');
      context.finish(await checkConfiguration(file, optionsOf(configOptionValues, values), context));
    });
  config
    .command('explain')
    .summary('print a configuration file with every default filled in')
    .argument('<file>', 'configuration file')
    .addOption(jsonOption())
    .action(async (file: string, values: unknown) => {
      const { explainConfiguration } = await import('../config/config.ts');
      context.finish(await explainConfiguration(file, optionsOf(configOptionValues, values), context));
    });
  config
    .command('schema')
    .summary('print the JSON schema of the configuration, for editors')
    .addOption(jsonOption())
    .action(async () => {
      const { configurationJsonSchema } = await import('../../core/config/reference.ts');
      context.terminal.printJson(configurationJsonSchema());
    });
}
