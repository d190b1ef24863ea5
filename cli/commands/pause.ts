/** `pause`: leaves the servers of a mirror alone. */
import type { Command } from 'commander';
import { z } from 'zod';
import type { CommandContext } from '../command-context.ts';
import { mirrorStateOptionValues, targetOption, withMirrorState } from '../ops/mirror-state.ts';
import { valueOption } from '../options.ts';

export const pauseOptionValues = mirrorStateOptionValues.extend({
  target: z.string().optional(),
  reason: z.string().max(200).optional(),
});

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
      const { pause } = await import('../ops/pause-resume.ts');
      context.finish(await pause(mirror, pauseOptionValues.parse(values), context));
    });
}
