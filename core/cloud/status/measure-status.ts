/** Measures one mirror: what its servers and its archive really hold, how far behind they are, what waits. */
import * as z from 'zod';
import { oldestUnverifiedMs } from '../../archive-life/verify/rotation.ts';
import { rotationDocument } from '../../archive-life/verify/verify-share.ts';
import type { Destination } from '../../copy/outcome.ts';
import { isMirrorError } from '../../errors.ts';
import { listOf } from '../../json.ts';
import type { Pause } from '../../mirror/pause/pause.ts';
import { progressBeside } from '../../mirror/progress.ts';
import type { Archive } from '../../stores/archive/archive.ts';
import { StateDocument } from '../../stores/archive/state.ts';
import type { Change } from '../../stores/change-feed.ts';
import type { OrthancStore } from '../../stores/orthanc/orthanc-store.ts';
import type { QueueDepths } from '../queue/sqs-depths.ts';
import { type ArchiveCount, archiveCountSchema, continueCount } from './archive-count.ts';
import { comparedAgeSeconds, watchComparison, watchedSchema } from './comparison-age.ts';
import { lagOf, nextSamples, type Sample, sampleSchema } from './pending.ts';
import type { MirrorStatus } from './status-document.ts';

export interface MeasureOptions {
  readonly mirror: string;
  readonly source: OrthancStore;
  readonly destinations: readonly { readonly name: string; readonly destination: Destination }[];
  readonly targets: readonly { readonly destination: Destination; readonly store: OrthancStore }[];
  readonly archive: Archive;
  readonly pause: Pause;
  readonly queueDepths: () => Promise<QueueDepths>;
  readonly now: () => Date;
  readonly countArchiveEveryMs: number;
  /** Aborts when the time for counting the archive is over; the next run goes on. */
  readonly deadline: AbortSignal;
}

/** What is remembered between runs: `state/status.json`. */
const progressSchema = z.strictObject({
  version: z.literal(1),
  /** Entries of the source's change feed up to this one were considered for the sample. */
  position: z.int().nonnegative(),
  samples: listOf(sampleSchema),
  archiveCount: archiveCountSchema,
  watched: watchedSchema.nullable(),
});
type Progress = z.infer<typeof progressSchema>;

/** Entries of the feed that one run looks at. */
const feedEntries = 500;

const statisticsSchema = z.object({ CountInstances: z.int().nonnegative() });

/**
 * Measures, and remembers what the next run needs. A server that does not answer is part of the result. Throws what the
 * archive and the queue throw, without which there is nothing to tell.
 */
export async function measureStatus(options: MeasureOptions): Promise<MirrorStatus> {
  const { archive, source, now, mirror, pause, queueDepths } = options;
  const document = new StateDocument(archive.objects, 'status', progressSchema);
  const found = await document.read();
  const before = found?.value ?? newProgress;
  const nowSeconds = Math.floor(now().getTime() / 1000);
  const progress = (await progressBeside(archive.objects).read())?.value;
  const watched = watchComparison(before.watched, progress, nowSeconds);
  const fresh = await newChanges(source, before.position).catch(codeOf);
  const names = options.destinations.map(({ name }) => name);
  // What the source got before the mirror began to follow it comes with the first comparison, however long that takes.
  const isFollowed = before.watched !== null && progress !== undefined;
  const changes = typeof fresh === 'string' || !isFollowed ? [] : fresh.changes;
  const looked = await lookUpSamples(nextSamples(before.samples, changes, names, nowSeconds), options);
  const archiveCount = await countArchive(before.archiveCount, options);
  const position = typeof fresh === 'string' ? before.position : fresh.position;
  // What was found everywhere is dropped, but for the newest: it tells that nothing newer is missing.
  const samples = looked.samples.filter(
    ({ missingAt }, index) => missingAt.length > 0 || index === looked.samples.length - 1,
  );
  await document.write({ version: 1, position, samples, archiveCount, watched }, found?.version ?? null);
  const [paused, queue] = await Promise.all([pause.inForce(), queueDepths()]);
  const comparedAt = progress?.comparedAt ?? null;
  const sourceCount = await countServer(source);
  return {
    version: 1,
    mirror,
    measuredAt: now().toISOString(),
    source: sourceCount,
    destinations: await Promise.all(
      options.destinations.map(async ({ name, destination }) => {
        const counted = await countDestination(destination, archiveCount, options);
        return {
          name,
          ...counted,
          ...lagOf(looked.samples, name, nowSeconds),
          oldestUnverifiedSeconds: await unverifiedSeconds(name, options),
          error: counted.error ?? looked.errors.get(name) ?? null,
        };
      }),
    ),
    comparedAt,
    comparedAgeSeconds: comparedAgeSeconds(watched, comparedAt, nowSeconds),
    comparing: progress !== undefined && progress.comparison !== null,
    watchedSeconds: nowSeconds - watched.sinceSeconds,
    paused: paused === undefined ? null : { code: paused.code, reason: paused.reason, until: paused.probeAt },
    queue,
  };
}

const newProgress: Progress = {
  version: 1,
  position: 0,
  samples: [],
  archiveCount: { complete: null, unfinished: null },
  watched: null,
};

/** The newest entries of the feed since `position`. */
async function newChanges(
  source: OrthancStore,
  position: number,
): Promise<{ readonly changes: readonly Change[]; readonly position: number }> {
  const last = await source.lastChange();
  const since = Math.max(0, last - feedEntries, Math.min(position, last));
  const { changes } = await source.readChanges({ since, limit: feedEntries });
  return { changes, position: last };
}

interface LookedUp {
  readonly samples: readonly Sample[];
  /** Codes of what went wrong, by destination. */
  readonly errors: ReadonlyMap<string, string>;
}

/** Looks up what was missing. A destination that fails is asked no further; what it was not asked for counts as missing. */
async function lookUpSamples(samples: readonly Sample[], { destinations, source }: MeasureOptions): Promise<LookedUp> {
  const errors = new Map<string, string>();
  const looked: Sample[] = [];
  for (const sample of samples) {
    const missingAt: string[] = [];
    for (const { name, destination } of destinations) {
      if (!sample.missingAt.includes(name)) continue;
      if (!errors.has(name)) {
        const held = await destination.store.lookup(sample.id).catch(codeOf);
        if (typeof held === 'string') errors.set(name, held);
        else if (held.length > 0) continue;
      }
      missingAt.push(name);
    }
    looked.push({ ...sample, missingAt: (await isGone(sample, missingAt, source)) ? [] : missingAt });
  }
  return { samples: looked, errors };
}

/** What the source does not hold any more is not missing anywhere. */
async function isGone({ id }: Sample, missingAt: readonly string[], source: OrthancStore): Promise<boolean> {
  if (missingAt.length === 0) return false;
  const held = await source.lookup(id).catch(codeOf);
  return typeof held !== 'string' && held.length === 0;
}

async function countArchive(before: ArchiveCount, options: MeasureOptions): Promise<ArchiveCount> {
  const { archive, now, countArchiveEveryMs: everyMs, deadline } = options;
  return continueCount(before, { archive, now, everyMs, deadline });
}

async function countDestination(
  destination: Destination,
  { complete }: ArchiveCount,
  { targets, now }: MeasureOptions,
): Promise<{ instances: number | null; countedAt: string | null; error: string | null }> {
  const server = targets.find((target) => target.destination === destination)?.store;
  if (server === undefined) {
    return { instances: complete?.instances ?? null, countedAt: complete?.countedAt ?? null, error: null };
  }
  const counted = await countServer(server);
  return { ...counted, countedAt: counted.error === null ? now().toISOString() : null };
}

async function countServer({ client }: OrthancStore): Promise<{ instances: number | null; error: string | null }> {
  const counted = await client.getJson('/statistics', statisticsSchema, { long: true }).catch(codeOf);
  return typeof counted === 'string'
    ? { instances: null, error: counted }
    : { instances: counted.CountInstances, error: null };
}

async function unverifiedSeconds(name: string, { archive, now }: MeasureOptions): Promise<number | null> {
  const found = await rotationDocument(archive.objects, name).read();
  return found === undefined ? null : oldestUnverifiedMs(found.value, now()) / 1000;
}

/** @returns the code of an error of ours; anything else is a defect and is thrown on */
function codeOf(error: unknown): string {
  if (!isMirrorError(error)) throw error;
  return error.code;
}
