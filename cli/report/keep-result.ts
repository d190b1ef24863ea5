import { keepComparison, keepResult, type LastResult } from '../../core/archive-life/last-results.ts';
import { isMirrorError } from '../../core/errors.ts';
import type { ObjectStorage } from '../../core/stores/archive/object-storage.ts';
import type { ExitCode } from '../exit-codes.ts';
import type { Terminal } from '../terminal.ts';
import { packageFacts } from '../version.ts';

/** Keeps how a command ended, for `status`. An archive that cannot be written to costs a line, not the command. */
export function keepLastResult(
  objects: ObjectStorage | undefined,
  command: LastResult['command'],
  exitCode: ExitCode,
  terminal: Terminal,
): Promise<void> {
  const { version } = packageFacts();
  const result = { command, at: new Date().toISOString(), version, exitCode };
  return unlessRefused(objects, (there) => keepResult(there, result), terminal);
}

/** Keeps, likewise, that everything was compared now and no destination missed a part. */
export function keepLastComparison(objects: ObjectStorage | undefined, terminal: Terminal): Promise<void> {
  return unlessRefused(objects, (there) => keepComparison(there, new Date()), terminal);
}

async function unlessRefused(
  objects: ObjectStorage | undefined,
  keep: (objects: ObjectStorage) => Promise<void>,
  terminal: Terminal,
): Promise<void> {
  if (objects === undefined) return;
  try {
    await keep(objects);
  } catch (error) {
    if (!isMirrorError(error)) throw error;
    terminal.say(`the result is not kept beside the archive: ${error.message}`);
  }
}
