/** The work of `status`. */
import { writeFile } from 'node:fs/promises';
import * as z from 'zod';
import { lastComparison, lastResults } from '../../core/archive-life/last-results.ts';
import { pageOf } from '../../core/cloud/status/status-page.ts';
import { openServer } from '../../core/config/open.ts';
import type { ServerConfiguration } from '../../core/config/server-schema.ts';
import { targetStoreName } from '../../core/config/store-names.ts';
import { isMirrorError, MirrorError } from '../../core/errors.ts';
import { progressBeside } from '../../core/mirror/progress.ts';
import { openArchive } from '../../core/stores/archive/archive.ts';
import type { CommandContext } from '../command-context.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { reasonOf, withNextStep } from '../next-steps.ts';
import { type OpenMirrorState, openMirrorState } from '../open-mirror-state.ts';
import type { statusOptionValues } from './options.ts';
import { linesOf, type StatusResult, type StoreStatus, viewOf } from './status-view.ts';

const statisticsSchema = z.object({ CountInstances: z.int().nonnegative() });

export async function status(
  mirror: string | undefined,
  options: z.output<typeof statusOptionValues>,
  { terminal, interruption }: CommandContext,
): Promise<ExitCode> {
  await using state = await openMirrorState(mirror, options);
  const stores = await Promise.all(serversOf(state).map(([name, server]) => countServer(name, server, interruption)));
  if (options.countArchive) stores.push(await countArchive(state, interruption));
  const progress = (await progressBeside(state.objects).read())?.value;
  const { pauses } = await state.pause.read();
  const last = await lastResults(state.objects);
  const result: StatusResult = {
    type: 'status',
    mirror: state.name ?? null,
    measuredAt: new Date().toISOString(),
    stores,
    last: [...last],
    comparedAt: latest(progress?.comparedAt, await lastComparison(state.objects)),
    comparing: progress?.comparison?.reason ?? null,
    paused: Object.entries(pauses).map(([store, { code, reason, advice, begunAt }]) => ({
      store,
      code,
      reason: withNextStep(reason, advice),
      begunAt,
    })),
  };
  const view = viewOf(result, state.objects.name);
  terminal.tell(result, linesOf(view));
  if (options.html !== undefined) await writePage(options.html, pageOf(view));
  return stores.some(({ error }) => error !== null) ? exitCodes.refused : exitCodes.ok;
}

/** A scheduler keeps the one, a run or a watch on one machine the other. */
function latest(...times: readonly (string | null | undefined)[]): string | null {
  return (
    times
      .filter((time) => typeof time === 'string')
      .toSorted()
      .at(-1) ?? null
  );
}

async function writePage(file: string, page: string): Promise<void> {
  await writeFile(file, page).catch((cause: unknown) => {
    throw new MirrorError('configuration', 'the page cannot be written; check --html', { cause });
  });
}

function serversOf({ name = '', configuration }: OpenMirrorState): [string, ServerConfiguration][] {
  if (configuration === undefined) return [];
  const targets = Object.entries(configuration.targets);
  return [
    ['source', configuration.source],
    ...targets.map(([target, server]): [string, ServerConfiguration] => [targetStoreName(name, target), server]),
  ];
}

async function countServer(
  name: string,
  configuration: ServerConfiguration,
  signal: AbortSignal,
): Promise<StoreStatus> {
  try {
    const store = await openServer({ name, configuration });
    try {
      const { CountInstances } = await store.client.getJson('/statistics', statisticsSchema, { signal, long: true });
      return { name, instances: CountInstances, error: null };
    } finally {
      await store.close();
    }
  } catch (error) {
    if (!isMirrorError(error)) throw error;
    return { name, instances: null, error: reasonOf(error) };
  }
}

/** Several versions of an instance count once. */
async function countArchive({ objects }: OpenMirrorState, signal: AbortSignal): Promise<StoreStatus> {
  const archive = await openArchive(objects, { signal });
  let instances = 0;
  let last: string | undefined;
  for await (const { id } of archive.versions({ signal })) {
    if (id !== last) instances += 1;
    last = id;
  }
  return { name: archive.name, instances, error: null };
}
