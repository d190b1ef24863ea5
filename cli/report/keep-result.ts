import { keepResult, type LastResult } from '../../core/archive-life/last-results.ts';
import { isMirrorError } from '../../core/errors.ts';
import type { ObjectStorage } from '../../core/stores/archive/object-storage.ts';
import type { ExitCode } from '../exit-codes.ts';
import type { Terminal } from '../terminal.ts';
import { packageFacts } from '../version.ts';

/** Keeps how a command ended, for `status`. An archive that cannot be written to costs a line, not the command. */
export async function keepLastResult(
  objects: ObjectStorage | undefined,
  command: LastResult['command'],
  exitCode: ExitCode,
  terminal: Terminal,
): Promise<void> {
  if (objects === undefined) return;
  try {
    const { version } = packageFacts();
    await keepResult(objects, { command, at: new Date().toISOString(), version, exitCode });
  } catch (error) {
    if (!isMirrorError(error)) throw error;
    terminal.say(`the result is not kept beside the archive: ${error.message}`);
  }
}
