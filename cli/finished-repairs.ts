/** What a command tells of repairs and replacements that were interrupted, and are finished now. */
import { type FinishedRepair, type FinishOptions, KeptRepairs } from '../core/archive-life/kept-repairs.ts';
import type { Archive } from '../core/stores/archive/archive.ts';
import { reasonOf } from './next-steps.ts';
import type { Terminal } from './terminal.ts';

/** Finishes what is kept for a server. @returns how much of it could not be written yet */
export async function finishRepairs(archive: Archive, options: FinishOptions, terminal: Terminal): Promise<number> {
  const { client } = options.server;
  let left = 0;
  for await (const finished of new KeptRepairs(archive.objects, client).finishAll(options)) {
    if (finished.kind !== 'finished') left += 1;
    tellFinished(finished, client.name, terminal);
  }
  return left;
}

/** Tells on stderr what became of one. */
export function tellFinished({ id, key, kind, error }: FinishedRepair, server: string, terminal: Terminal): void {
  const what = `what users attached to ${id} on ${server}, whose replacement was interrupted,`;
  switch (kind) {
    case 'finished':
      terminal.say(`${what} is there again`);
      break;
    case 'waiting':
      terminal.warn(
        `${what} waits until it is there again (${key}); \`restore --repair\` brings back what the archive has`,
      );
      break;
    case 'failed':
      terminal.warn(
        `${what} could not be written: ${error && reasonOf(error)} (${error?.code}); it is tried again next time`,
      );
  }
}
