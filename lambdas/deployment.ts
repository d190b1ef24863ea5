/** What a function keeps from one invocation to the next: configuration, clients, open mirrors. */
import { join } from 'node:path';
import type { DeliveryQueue } from '../core/cloud/queue/deliveries.ts';
import { bySize, type InstanceQueue } from '../core/cloud/queue/message.ts';
import { createSqsClient } from '../core/cloud/queue/sqs-client.ts';
import { type SqsDeliveriesOptions, sqsDeliveries } from '../core/cloud/queue/sqs-deliveries.ts';
import { type QueueDepths, sqsDepths, sqsLeft } from '../core/cloud/queue/sqs-depths.ts';
import { sendTexts, sqsQueue } from '../core/cloud/queue/sqs-queue.ts';
import type { DeliveryLimits } from '../core/cloud/queue/verdict.ts';
import { archiveInStack, type StackStorage } from '../core/config/archive-location.ts';
import { processesAt } from '../core/config/cloud-shares.ts';
import { loadConfiguration } from '../core/config/load.ts';
import { mirrorNamed } from '../core/config/mirror-named.ts';
import { type OpenMirror, type OpenMirrorOptions, openMirror } from '../core/config/open.ts';
import {
  deadLetterQueues,
  type MirrorQueue,
  mirrorQueue,
  sharedQueue,
  type TransferLane,
  transferLanes,
} from '../core/config/queue-names.ts';
import type { Configuration, MirrorConfiguration } from '../core/config/schema.ts';
import { type SecretResolver, secretResolver } from '../core/config/secrets/resolve-secret.ts';
import { sourceName, targetStoreName } from '../core/config/store-names.ts';
import { bundledConfigurationFile, readFunctionEnvironment } from '../core/environment.ts';
import { MirrorError } from '../core/errors.ts';
import { sidecarSyncOf } from '../core/mirror/parts.ts';
import { type Pause, pauseBeside } from '../core/mirror/pause/pause.ts';
import type { SidecarSync, SyncReport } from '../core/mirror/sidecar-sync.ts';
import { Limitations } from '../core/sidecars/limitations.ts';
import { SidecarFindings } from '../core/sidecars/sidecar-state.ts';
import type { Archive } from '../core/stores/archive/archive.ts';
import type { FutureTime } from '../core/stores/archive/future-times.ts';
import type { ArchiveWriter } from '../core/stores/archive/history-record.ts';
import { log, logFinding } from './telemetry.ts';

const bytesPerMiB = 1024 * 1024;

export interface Deployment {
  readonly configuration: Configuration;
  readonly secrets: SecretResolver;
  /** How full the queues of a mirror are together, and how many dead letters there are of all. Throws `unreachable`. */
  queueDepths(mirror: string): Promise<QueueDepths>;
  /** How many messages wait or are worked on. Throws `unreachable`. */
  queueLeft(queue: MirrorQueue): Promise<number>;
  /** Puts texts on a queue whose messages are not ours alone. Throws `unreachable`. */
  sendTexts(queue: MirrorQueue, texts: readonly string[], signal: AbortSignal): Promise<void>;
  /** A queue that copies for a mirror, as one sees it who fills it: what is known to be large goes to that of the large. */
  queue(queue: { readonly mirror: string; readonly lane: TransferLane }, signal: AbortSignal): InstanceQueue;
  /** Instances above this are copied in the lane of the large only. */
  readonly largeBytes: number;
  /** A queue of a mirror, as one sees it who works on its messages. */
  deliveries(queue: MirrorQueue): DeliveryQueue;
  readonly deliveryLimits: DeliveryLimits;
  /** Name of the bucket of the inbox, in the function that takes its objects in. */
  readonly inboxBucket: string | undefined;
  /** Opens a configured mirror, or gives the open one. Throws `unknown-mirror` and what opening throws. */
  mirror(name: string): Promise<CloudMirror>;
}

/** A mirror whose stores are open; in the cloud each has an archive, which also holds its state. */
export interface CloudMirror extends OpenMirror {
  readonly configuration: MirrorConfiguration;
  readonly archive: Archive;
  readonly pause: Pause;
  readonly limitations: Limitations;
  /** Keeps sidecars equal. */
  readonly sidecars: SidecarSync;
}

/**
 * Reads what the stack told and bundled. Throws `configuration`. Nothing is connected before it is needed.
 * @param writer what the records of archives say of who wrote them; absent: the function writes none
 */
export async function openDeployment(writer?: ArchiveWriter): Promise<Deployment> {
  const environment = readFunctionEnvironment();
  const configuration = await loadConfiguration(join(environment.codeFolder, bundledConfigurationFile));
  const queuesUrl = environment.ORTHANC_MIRROR_QUEUES_URL;
  const client = createSqsClient();
  const secrets = secretResolver();
  const { transfer } = configuration.cloud;
  const largeBytes = transfer.largeMiB * bytesPerMiB;
  const urlOf = (queue: MirrorQueue): string => mirrorQueue(queuesUrl, queue);
  const workedOn = (queue: MirrorQueue): SqsDeliveriesOptions => ({
    client,
    queueUrl: urlOf(queue),
    deadLetterQueueUrl: sharedQueue(queuesUrl, deadLetterQueues[queue.lane]),
  });
  return {
    configuration,
    secrets,
    queueDepths: (mirror) =>
      sqsDepths(client, {
        queueUrls: transferLanes.map((lane) => urlOf({ mirror, lane })),
        deadLetterQueueUrl: sharedQueue(queuesUrl, deadLetterQueues.new),
      }),
    queueLeft: (queue) => sqsLeft(client, urlOf(queue)),
    sendTexts: (queue, texts, signal) => sendTexts({ client, queueUrl: urlOf(queue), signal }, texts),
    queue: ({ mirror, lane }, signal) =>
      bySize(
        sqsQueue({ client, queueUrl: urlOf({ mirror, lane }), signal }),
        sqsQueue({ client, queueUrl: urlOf({ mirror, lane: 'large' }), signal }),
        largeBytes,
      ),
    largeBytes,
    deliveries: (queue) => sqsDeliveries(workedOn(queue)),
    deliveryLimits: {
      maxReceiveCount: transfer.maxReceiveCount,
      backOff: { firstMs: transfer.firstRetrySeconds * 1000, lastMs: transfer.lastRetrySeconds * 1000 },
    },
    inboxBucket: environment.ORTHANC_MIRROR_INBOX_BUCKET,
    mirror: openMirrors(configuration, { secrets, writer, bucket: environment.ORTHANC_MIRROR_BUCKET }),
  };
}

/** Opens each mirror once; one that could not be opened is tried again the next time. */
function openMirrors(
  configuration: Configuration,
  { bucket, ...given }: Pick<OpenMirrorOptions, 'secrets' | 'writer'> & Pick<StackStorage, 'bucket'>,
): Deployment['mirror'] {
  const options: CloudMirrorOptions = {
    ...given,
    processes: (server) => processesAt(server, configuration),
    egress: { allowPrivateNetworks: configuration.cloud.allowPrivateNetworks },
    stack: { bucket, objectLock: configuration.cloud.objectLock?.mode },
  };
  const open = new Map<string, Promise<CloudMirror>>();
  return async (name) => {
    const opening = open.get(name) ?? openCloudMirror(name, mirrorNamed(configuration, name), options);
    open.set(name, opening);
    opening.catch(() => open.delete(name));
    return opening;
  };
}

/** A clock was wrong; nothing else follows from it. */
function logFutureTime(mirror: string, { key: archiveKey }: FutureTime): void {
  log('warn', 'time in the future', { mirror, archiveKey });
}

type CloudMirrorOptions = Pick<OpenMirrorOptions, 'secrets' | 'writer' | 'processes' | 'egress'> & {
  readonly stack: StackStorage;
};

async function openCloudMirror(
  name: string,
  configuration: MirrorConfiguration | undefined,
  { stack, ...options }: CloudMirrorOptions,
): Promise<CloudMirror> {
  if (configuration === undefined) {
    throw new MirrorError('unknown-mirror', `There is no mirror ${name} in the configuration of this deployment.`);
  }
  const mirror = {
    source: { name: sourceName(name), configuration: configuration.source },
    targets: Object.entries(configuration.targets).map(([target, server]) => ({
      name: targetStoreName(name, target),
      configuration: server,
    })),
    archive: configuration.archive && archiveInStack(name, configuration.archive, stack),
    limits: configuration,
  };
  const opened = await openMirror(mirror, {
    ...options,
    archiveName: name,
    askSource: false,
    absent: 'create-or-wait',
    outOfReach: 'throw',
    onFutureTime: (found) => logFutureTime(name, found),
  });
  const { archive } = opened;
  if (archive === undefined) {
    await opened[Symbol.asyncDispose]();
    throw new MirrorError(
      'configuration',
      `The mirror ${name} has no archive, which holds its state; add "archive": {}.`,
    );
  }
  const limitations = new Limitations(({ server, code }) => log('warn', 'limitation', { destination: server, code }));
  const sidecars = sidecarSyncOf(opened, limitations, { report: syncReport(name) });
  return { ...opened, configuration, archive, pause: pauseBeside(archive.objects), limitations, sidecars };
}

/** What sidecars of the archive, and replacements that were interrupted, tell while a function works with them. */
function syncReport(mirror: string): SyncReport {
  const findings = new SidecarFindings((finding) => logFinding(mirror, finding));
  return {
    onFinding: findings.note,
    onSettled: ({ store }, { id, kind, error }) => {
      const fields = { mirror, destination: store.name, id, outcome: kind, code: error?.code };
      log(kind === 'settled' ? 'info' : 'warn', 'interrupted replacement', fields);
    },
  };
}
