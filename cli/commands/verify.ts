/** `verify`: reads back and hashes what an archive or a server holds, and puts right what is damaged or lost. */

import type { Command } from 'commander';
import { parseSubset } from '../../core/archive-life/verify/subset.ts';
import type { CommandContext } from '../command-context.ts';
import { checked, endpointOption, jsonOption, optionsOf, switchOption, valueOption, wholeNumber } from '../options.ts';
import { serverOptions } from '../server-options.ts';
import { reportOption } from '../session.ts';
import { verifyOptionValues } from '../verify/options.ts';

export function registerVerify(program: Command, context: CommandContext): void {
  const command = program
    .command('verify')
    .summary('read everything back and hash it')
    .description(
      'Reads every instance of an archive, a server, or both, and compares its bytes with the hash that is promised ' +
        'for them; of an archive also every sidecar and attachment, and looks for all that sidecars name. What is ' +
        'damaged or lost is a line. Exit code 0: all sound, or all repaired; 4: something is left.',
    )
    .addOption(valueOption('--archive <place>', 'archive to verify: a folder, or s3://bucket/prefix'))
    .addOption(endpointOption())
    .addOption(valueOption('--target <url>', 'URL of a server to verify'))
    .addOption(
      valueOption(
        '--subset <part>',
        'verify a part only, by id: n/t (3/30: the third of thirty parts) or 10%',
      ).argParser(checked((text) => parseSubset(text, 0))),
    )
    .addOption(switchOption('--repair', 'put right what is damaged or lost, from another place'))
    .addOption(
      valueOption('--source <url>', 'URL of the source, to take good bytes and sidecars from; it is not verified'),
    )
    .addOption(valueOption('--concurrency <n>', 'most instances read at once').argParser(wholeNumber(1)).default(4))
    .addOption(reportOption())
    .addOption(jsonOption());
  for (const option of [...serverOptions('target'), ...serverOptions('source')]) command.addOption(option);
  command.action(async (values: unknown) => {
    const { verify } = await import('../verify/verify.ts');
    context.finish(await verify({ values, options: optionsOf(verifyOptionValues, values) }, context));
  });
}
