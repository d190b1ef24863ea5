/**
 * Every metric of the functions: name, unit, who emits it, and what it means. Code, alarms and dashboard refer to these,
 * so that no alarm waits for a metric that nobody emits. Each is emitted as zero too.
 */

export const metricsNamespace = 'OrthancMirror';

/** The functions, as they call themselves in logs and in the dimension `service`. */
export const functionNames = [
  'scheduler',
  'transfer',
  'verifier',
  'status',
  'webhook',
  'inbox',
  'open',
  'shards',
] as const;
export type FunctionName = (typeof functionNames)[number];

export type MetricUnitName = 'Count' | 'Bytes' | 'Seconds';

export interface MetricDefinition {
  readonly emittedBy: FunctionName;
  readonly unit: MetricUnitName;
  /** `mirror`: one value per mirror; `destination`: one per mirror and destination; `stack`: one for all. */
  readonly per: 'mirror' | 'destination' | 'stack';
  /** A counter that nothing was added to is emitted as zero; a gauge that was not measured is not emitted. */
  readonly kind: 'counter' | 'gauge';
  readonly meaning: string;
}

export const metricDefinitions = {
  SourceFollowed: count('scheduler', '1 for a look at the source that succeeded, 0 for one that failed.'),
  Announced: count('scheduler', 'Instances and studies put on the queue.'),
  Compared: count('scheduler', 'Ids compared between the source and the destinations.'),
  ConflictsFound: count('scheduler', 'Ids that a target holds with other bytes, as comparisons found them.'),
  SchedulerDeadlineHits: count('scheduler', 'Invocations whose time was over before their work was done.'),

  Copied: count('transfer', 'Instances written to a destination and confirmed by it.'),
  CopiedBytes: { ...count('transfer', 'Their bytes.'), unit: 'Bytes' },
  AlreadyEqual: count('transfer', 'Instances that a destination held already.'),
  Conflicts: count('transfer', 'Instances that a target holds with other bytes.'),
  Rejected: count('transfer', 'Instances that a destination, or their own bytes, make impossible to copy.'),
  Vanished: count('transfer', 'Instances deleted at the source before they were copied.'),
  StudiesWritten: count('transfer', 'Sidecars written to a destination.'),
  Restored: count('transfer', 'Instances written from the archive to a target that is restored.'),
  RestoredBytes: { ...count('transfer', 'Their bytes.'), unit: 'Bytes' },
  Done: count('transfer', 'Messages that are done.'),
  Retried: count('transfer', 'Messages that come back later, because something may pass.'),
  Renewed: count('transfer', 'Messages put on the queue anew while their mirror pauses.'),
  DeadLettered: count('transfer', 'Messages that became dead letters, with a reason.'),
  TransferDeadlineHits: count('transfer', 'Messages whose work the end of the invocation cut off.'),

  Sound: count('verifier', 'Instances read back whose bytes have the promised hash.'),
  Damaged: count('verifier', 'Instances read back whose bytes have not, or that cannot be delivered.'),
  Unverified: count('verifier', 'Instances that could not be read, so that nothing is proven.'),

  StatusWritten: count('status', '1 when the mirror was measured.'),
  Paused: count('status', '1 while the mirror pauses, because a server refused everybody.'),
  ComparedAgeSeconds: seconds(
    'status',
    'mirror',
    'Time since the last complete comparison ended; until the first one ended, since it last went on.',
  ),
  OldestUnverifiedSeconds: seconds(
    'status',
    'destination',
    'Age of the reading that is longest ago, of any share; since the mirror began if there is none.',
  ),
  SourceInstances: { ...count('status', 'Instances that the source says it holds.'), kind: 'gauge' },
  DestinationInstances: {
    ...count('status', 'Instances that the destination holds.'),
    per: 'destination',
    kind: 'gauge',
  },
  NewestPendingSeconds: seconds('status', 'destination', 'Age of the newest instance of the source if it is missing.'),
  OldestPendingSeconds: seconds('status', 'destination', 'Age of the oldest known instance that is missing.'),

  EventsAccepted: count('webhook', 'Events of hooks that were put on the queue.'),
  DeletionsAnnounced: count('webhook', 'Deletions that hooks told: a hint only, nothing is deleted because of it.'),
  RequestsRefused: { ...count('webhook', 'Requests that were refused.'), per: 'stack' },
  RequestsUnauthorized: { ...count('webhook', 'Requests without a right secret.'), per: 'stack' },

  InboxTaken: count('inbox', 'Objects of the inbox of which everything arrived.'),
  InboxRefused: count('inbox', 'Objects of the inbox that were moved to refused/, with the reason.'),
  InboxStored: count('inbox', 'Instances of the inbox written to a destination that lacked them.'),
  InboxAlreadyThere: count('inbox', 'Instances of the inbox that every destination held already.'),
  InboxDelayed: count('inbox', 'Objects of the inbox that are tried again later.'),
  InboxFoundAgain: {
    ...count('inbox', 'Objects of the inbox that S3 did not tell of, found by a look.'),
    per: 'stack',
  },

  LeftToQueue: count(
    'shards',
    'Instances and sidecars of shards that are left to the queue, because they failed at once.',
  ),

  ArchiveRequests: count('open', 'Requests that looked into the archive; the log tells who.'),
} as const satisfies Record<string, MetricDefinition>;

export type MetricName = keyof typeof metricDefinitions;

/** The counters that a function emits for everything of a kind that it worked for. */
export function countersOf(emittedBy: FunctionName, per: MetricDefinition['per']): MetricName[] {
  return Object.keys(metricDefinitions)
    .filter(isMetricName)
    .filter((name) => {
      const metric = metricDefinitions[name];
      return metric.kind === 'counter' && metric.emittedBy === emittedBy && metric.per === per;
    });
}

function isMetricName(text: string): text is MetricName {
  return text in metricDefinitions;
}

function count<By extends FunctionName>(emittedBy: By, meaning: string) {
  return { emittedBy, unit: 'Count', per: 'mirror', kind: 'counter', meaning } as const;
}

function seconds<By extends FunctionName, Per extends MetricDefinition['per']>(
  emittedBy: By,
  per: Per,
  meaning: string,
) {
  return { emittedBy, unit: 'Seconds', per, kind: 'gauge', meaning } as const;
}
