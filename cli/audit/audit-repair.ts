/** Repairs through the server what an audit found missing or damaged, with the bytes of an archive. */

import { repairInstances } from '../../core/archive-life/repair/repair-server.ts';
import { repairOnServer } from '../../core/archive-life/repair/replace-on-server.ts';
import { openExistingArchive } from '../../core/config/open-archive.ts';
import { defaultBudget } from '../../core/copy/copy-context.ts';
import { MirrorError } from '../../core/errors.ts';
import type { InstanceId } from '../../core/identifiers.ts';
import { Limitations } from '../../core/sidecars/limitations.ts';
import { studyServerOf } from '../../core/sidecars/study-server.ts';
import { EveryVersion } from '../../core/stores/archive/every-version.ts';
import { parseArchive } from '../archive-argument.ts';
import type { CommandContext } from '../command-context.ts';
import { reasonOf } from '../next-steps.ts';
import { openServerOfUrl } from '../open-mirror.ts';
import type { AuditCommandOptions } from './options.ts';

/**
 * Repairs the instances, one after the other, and tells what became of each.
 * @param values all option values, those of the server included
 * @returns how many were repaired
 */
export async function repairAudited(
  ids: readonly InstanceId[],
  options: AuditCommandOptions,
  values: unknown,
  { terminal, interruption: signal }: CommandContext,
): Promise<number> {
  const place = parseArchive(options.archive, options.endpoint);
  if (place === undefined || options.to === undefined) {
    throw new MirrorError('configuration', '--repair needs --to, the running server, and --archive, the good bytes');
  }
  await using opened = new AsyncDisposableStack();
  const warn = (line: string): void => terminal.warn(line);
  const server = await openServerOfUrl('target', options.to, values, warn, '--to');
  opened.defer(() => server.close());
  const archive = await openExistingArchive(place, { signal });
  opened.defer(() => archive.close());
  const limitations = new Limitations(({ message }) => warn(message));
  const studyServer = await studyServerOf(server, { signal });
  const putRight = repairOnServer({ server, studyServer, safe: archive.objects, limitations });
  const repair = { server, putRight, goodCopies: [new EveryVersion(archive)], budget: defaultBudget(), signal };
  let repaired = 0;
  for await (const { id, outcome } of repairInstances(ids, repair)) {
    if (outcome.kind === 'repaired') repaired += 1;
    const reason = outcome.kind === 'repaired' ? undefined : reasonOf(outcome.error);
    const text = reason === undefined ? `repaired  ${id}` : `not repaired  ${id}  ${reason}`;
    terminal.tell({ type: 'repair', id, kind: outcome.kind, reason }, text);
  }
  return repaired;
}
