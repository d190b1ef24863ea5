/** What a function keeps from one invocation to the next: configuration, clients, open mirrors. */
import { join } from 'node:path';
import type { StackStorage } from '../config/archive-location.ts';
import { processesAt } from '../config/cloud-shares.ts';
import { loadConfiguration } from '../config/load.ts';
import { mirrorNamed } from '../config/mirror-named.ts';
import {
  deadLetterQueues,
  type MirrorQueue,
  mirrorQueue,
  sharedQueue,
  type TransferLane,
  transferLanes,
} from '../config/queue-names.ts';
import type { Configuration } from '../config/schema.ts';
import { type SecretResolver, secretResolver } from '../config/secrets/resolve-secret.ts';
import { bundledConfigurationFile, readFunctionEnvironment } from '../environment.ts';
import type { ArchiveWriter } from '../stores/archive/history-record.ts';
import { type CloudMirror, type CloudMirrorOptions, type MirrorObserver, openCloudMirror } from './cloud-mirror.ts';
import type { DeliveryQueue } from './queue/deliveries.ts';
import { bySize, type InstanceQueue } from './queue/message.ts';
import { createSqsClient } from './queue/sqs-client.ts';
import { type SqsDeliveriesOptions, sqsDeliveries } from './queue/sqs-deliveries.ts';
import { type QueueDepths, sqsDepths, sqsLeft } from './queue/sqs-depths.ts';
import { sendTexts, sqsQueue } from './queue/sqs-queue.ts';
import type { DeliveryLimits } from './queue/verdict.ts';

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
  /** How long what is not its own fault waits, in milliseconds. */
  readonly pauseMs: number;
  /** Name of the bucket of the inbox, in the function that takes its objects in. */
  readonly inboxBucket: string | undefined;
  /** Opens a configured mirror, or gives the open one. Throws `unknown-mirror` and what opening throws. */
  mirror(name: string): Promise<CloudMirror>;
}

/**
 * Reads what the stack told and bundled. Throws `configuration`. Nothing is connected before it is needed.
 * @param observer is told what the stores of mirrors tell
 * @param writer what the records of archives say of who wrote them; absent: the function writes none
 */
export async function openDeployment(observer: MirrorObserver, writer?: ArchiveWriter): Promise<Deployment> {
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
    pauseMs: transfer.pauseSeconds * 1000,
    inboxBucket: environment.ORTHANC_MIRROR_INBOX_BUCKET,
    mirror: openMirrors(configuration, { observer, secrets, writer, bucket: environment.ORTHANC_MIRROR_BUCKET }),
  };
}

/** Opens each mirror once; one that could not be opened is tried again the next time. */
function openMirrors(
  configuration: Configuration,
  { bucket, ...given }: Pick<CloudMirrorOptions, 'observer' | 'secrets' | 'writer'> & Pick<StackStorage, 'bucket'>,
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
