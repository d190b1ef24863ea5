/** `estimate`: what a mirror in the cloud costs. */
import { type Command, Option } from 'commander';
import { storageClasses } from '../../core/cloud/estimate/prices.ts';
import type { CommandContext } from '../command-context.ts';
import { estimateOptionValues } from '../estimate/options.ts';
import { jsonOption, optionsOf, switchOption, valueOption, wholeNumber } from '../options.ts';

export function registerEstimate(program: Command, context: CommandContext): void {
  const number = (flags: string, description: string, minimum = 0) =>
    valueOption(flags, description).argParser(wholeNumber(minimum));
  program
    .command('estimate')
    .summary('estimate what a mirror in the cloud costs')
    .description(
      'From a dated table of list prices, without any request to AWS; see docs/estimate.md for what is left out.',
    )
    .addOption(number('--instances <n>', 'instances that the source holds').makeOptionMandatory())
    .addOption(number('--per-day <n>', 'instances that arrive on a day (default: 0)'))
    .addOption(number('--average-kib <n>', 'average size of an instance in KiB (default: 512)', 1))
    .addOption(
      new Option('--storage-class <class>', 'where the archive lies in the end (default: standard)')
        .env('ORTHANC_MIRROR_STORAGE_CLASS')
        .choices(storageClasses),
    )
    .addOption(number('--targets <n>', 'target servers (default: 1)'))
    .addOption(switchOption('--targets-outside', 'the targets are not in AWS: what goes there is charged'))
    .addOption(number('--mirrors <n>', 'mirrors of the stack (default: 1)', 1))
    .addOption(number('--every-minutes <n>', 'minutes between two looks at the source (default: 1)', 1))
    .addOption(number('--verify-days <n>', 'everything is read back once in so many days; 0: never (default: 30)'))
    .addOption(number('--link-megabits <n>', 'what the link to AWS carries, in Mbit/s (default: 1000)', 1))
    .addOption(jsonOption())
    .action(async (values: unknown) => {
      const { printEstimate } = await import('../estimate/estimate.ts');
      context.finish(printEstimate(optionsOf(estimateOptionValues, values), context));
    });
}
