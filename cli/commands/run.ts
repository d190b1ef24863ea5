/** `run`: makes target and archive equal to the source, once or for good. */
import { type Command, Option } from 'commander';
import { defaultDeletionLimits } from '../../core/archive-life/deletions/missing.ts';
import { conflictPolicies, defaultConflictPolicy } from '../../core/archive-life/repair/conflict-policy.ts';
import type { CommandContext } from '../command-context.ts';
import { bandwidthOption, filterOptions } from '../limit-options.ts';
import {
  endpointOption,
  excluding,
  heartbeatOption,
  jsonOption,
  numberBetween,
  optionsOf,
  switchOption,
  valueOption,
  wholeNumber,
} from '../options.ts';
import { runOptionValues } from '../run/options.ts';
import { serverOptions } from '../server-options.ts';
import { reportOption } from '../session.ts';

const msPerHour = 3_600_000;

export function registerRun(program: Command, context: CommandContext): void {
  const command = program
    .command('run')
    .summary('mirror a server into another, an archive, or both')
    .description(
      'Compares SOURCE with TARGET and archive, and copies what they lack; every copy is verified by its hash. ' +
        'Running again goes on where it stopped, and copies only what is missing.',
    )
    .argument('<source>', 'URL of the source server, or the name of a mirror in the configuration file')
    .argument('[target]', 'URL of the target server; may be absent if there is an archive')
    .addOption(valueOption('--archive <place>', 'archive: a folder, or s3://bucket/prefix'))
    .addOption(endpointOption())
    .addOption(valueOption('--config <file>', 'configuration file'))
    .addOption(switchOption('--once', 'stop when everything is equal (default)'))
    .addOption(switchOption('--watch', 'then follow the change feed of the source until stopped'))
    .addOption(switchOption('--dry-run', 'compare only, and tell what would be copied'))
    .addOption(
      valueOption('--concurrency <n>', 'most instances copied at once (default: 48)').argParser(wholeNumber(1)),
    )
    .addOption(
      new Option(
        '--conflicts <policy>',
        `what to do where the target holds other bytes under the same id (default: ${defaultConflictPolicy})`,
      )
        .env('ORTHANC_MIRROR_CONFLICTS')
        .choices(conflictPolicies),
    )
    .addOption(
      new Option('--deletions <policy>', 'what to do at the target with what is gone from the source (default: off)')
        .env('ORTHANC_MIRROR_DELETIONS')
        .choices(['off', 'propagate']),
    )
    .addOption(
      valueOption(
        '--max-deletions <n>',
        `more instances than this are not deleted (default: ${defaultDeletionLimits.maxCount})`,
      ).argParser(wholeNumber(0)),
    )
    .addOption(
      valueOption(
        '--max-deletion-percent <p>',
        `nor a greater share of the source than this (default: ${defaultDeletionLimits.maxPercent})`,
      ).argParser(numberBetween(0, 100)),
    )
    .addOption(
      valueOption(
        '--deletion-grace-hours <h>',
        `an instance must be gone for so long, and in two runs in a row (default: ${defaultDeletionLimits.graceMs / msPerHour})`,
      ).argParser(numberBetween(0, Number.POSITIVE_INFINITY)),
    )
    .addOption(switchOption('--instances-only', 'leave labels, metadata, attachments and protection alone'))
    .addOption(switchOption('--succeed', 'SOURCE takes the place of the source that the archive belongs to, for good'))
    .addOption(switchOption('--force', 'go on in spite of a risk that the look at the target found'))
    .addOption(
      valueOption('--listen <host:port>', 'with --watch: where /healthz and /metrics are told: 127.0.0.1:8060'),
    )
    .addOption(heartbeatOption())
    .addOption(reportOption())
    .addOption(jsonOption());
  const ofMirror = [...filterOptions(), bandwidthOption(), ...serverOptions('source'), ...serverOptions('target')];
  for (const option of ofMirror) command.addOption(option);
  excluding(command, 'once', 'watch');
  excluding(command, 'dry-run', 'watch');
  command.action(async (source: string, target: string | undefined, values: unknown) => {
    const options = optionsOf(runOptionValues, values);
    const given = { source, target, values, options };
    if (options.listen !== undefined && options.watch === true) {
      const { watchListening } = await import('../serve/serve.ts');
      context.finish(await watchListening(given, options.listen, context));
      return;
    }
    const { run } = await import('../run/run.ts');
    context.finish(await run(given, context));
  });
}
