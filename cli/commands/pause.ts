/** `pause`: leaves the servers of a mirror alone. */
import type { Command } from 'commander';
import type { CommandContext } from '../command-context.ts';
import { targetOption, withMirrorState } from '../mirror-state.ts';
import { optionsOf, valueOption } from '../options.ts';
import { pauseOptionValues } from '../pause/options.ts';

export function registerPause(program: Command, context: CommandContext): void {
  withMirrorState(program.command('pause'))
    .summary('leave the servers of a mirror alone until "resume"')
    .description(
      'Pauses a mirror in the cloud, or one of its targets. Nothing is lost: messages wait, and after a while a ' +
        'comparison takes their place.',
    )
    .addOption(targetOption('pause this target only; the others and the archive are served'))
    .addOption(valueOption('--reason <text>', 'what to tell those who ask for the status; no patient data'))
    .action(async (mirror: string | undefined, values: unknown) => {
      const { pause } = await import('../pause/pause-resume.ts');
      context.finish(await pause(mirror, optionsOf(pauseOptionValues, values), context));
    });
}
