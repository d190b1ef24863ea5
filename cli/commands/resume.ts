/** `resume`: ends a pause. */
import type { Command } from 'commander';
import type { CommandContext } from '../command-context.ts';
import { targetOption, withMirrorState } from '../mirror-state.ts';
import { optionsOf } from '../options.ts';
import { resumeOptionValues } from '../resume/options.ts';

export function registerResume(program: Command, context: CommandContext): void {
  withMirrorState(program.command('resume'))
    .summary('go on with a mirror that was paused, or that paused itself')
    .description(
      'Ends every pause of a mirror at its next tick, also those that it began because a server was away or refused ' +
        'everybody; if that has not changed, the mirror pauses again.',
    )
    .addOption(targetOption('resume this target only'))
    .action(async (mirror: string | undefined, values: unknown) => {
      const { resume } = await import('../pause/pause-resume.ts');
      context.finish(await resume(mirror, optionsOf(resumeOptionValues, values), context));
    });
}
