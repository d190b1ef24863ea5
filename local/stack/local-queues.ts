/** The queues of a template, on an SQS emulator in this process that keeps them on disk. */
import { type FauxqsServer, startFauxqs } from 'fauxqs';
import type { QueueResource } from './template.ts';

const region = 'us-east-1';
const account = '000000000000';

export interface QueueDepth {
  /** Messages that can be delivered now or after their delay. */
  readonly waiting: number;
  /** Messages that were delivered and are neither acknowledged nor visible again. */
  readonly inFlight: number;
}

export interface DeadLetter {
  readonly body: string;
  /** Why it is there, as far as somebody wrote it down: `code`, `reason`, `receiveCount`. */
  readonly attributes: Readonly<Record<string, string>>;
}

export class LocalQueues {
  readonly endpoint: string;
  readonly #server: FauxqsServer;
  readonly #queues: readonly QueueResource[];

  private constructor(server: FauxqsServer, queues: readonly QueueResource[]) {
    this.#server = server;
    this.#queues = queues;
    this.endpoint = `http://127.0.0.1:${server.port}`;
  }

  /** Starts the emulator on a free port and creates the queues; those that are in the folder already are kept. */
  static async start(queues: readonly QueueResource[], folder: string): Promise<LocalQueues> {
    const server = await startFauxqs({
      port: 0,
      logger: false,
      host: '127.0.0.1',
      defaultRegion: region,
      dataDir: folder,
    });
    const local = new LocalQueues(server, queues);
    // A queue can only refer to a dead-letter queue that exists.
    for (const queue of queues.toSorted(
      (one, other) => Number(one.redrive !== undefined) - Number(other.redrive !== undefined),
    )) {
      const name = local.#nameOf(queue.logicalId);
      if (server.inspectQueue(name) === undefined) {
        server.createQueue(name, { region, attributes: local.#attributesOf(queue) });
      }
    }
    return local;
  }

  url(logicalId: string): string {
    return this.urlOfName(this.#nameOf(logicalId));
  }

  urlOfName(name: string): string {
    return `${this.endpoint}/${account}/${name}`;
  }

  arn(logicalId: string): string {
    return `arn:aws:sqs:${region}:${account}:${this.#nameOf(logicalId)}`;
  }

  /** How full each queue is, by logical id. */
  depths(): Record<string, QueueDepth> {
    return Object.fromEntries(
      this.#queues.map(({ logicalId }) => {
        const messages = this.#server.inspectQueue(this.#nameOf(logicalId))?.messages;
        const waiting = (messages?.ready.length ?? 0) + (messages?.delayed.length ?? 0);
        return [logicalId, { waiting, inFlight: messages?.inflight.length ?? 0 }];
      }),
    );
  }

  /** What lies in the dead-letter queues. */
  deadLetters(): DeadLetter[] {
    const deadLetterQueues = new Set(this.#queues.flatMap(({ redrive }) => redrive?.deadLetterQueue ?? []));
    return [...deadLetterQueues].flatMap((queue) =>
      (this.#server.inspectQueue(this.#nameOf(queue))?.messages.ready ?? []).map((message) => ({
        body: message.body,
        attributes: Object.fromEntries(
          Object.entries(message.messageAttributes).map(([name, value]) => [name, value.StringValue ?? '']),
        ),
      })),
    );
  }

  /** Whether no message waits or is being worked on, except in dead-letter queues. */
  drained(): boolean {
    const depths = this.depths();
    return this.#queues.every(({ logicalId, redrive }) => {
      const { waiting = 0, inFlight = 0 } = depths[logicalId] ?? {};
      return redrive === undefined || waiting + inFlight === 0;
    });
  }

  /** Puts a text into every queue that has a dead-letter queue. */
  send(body: string): void {
    for (const { logicalId, redrive } of this.#queues) {
      if (redrive !== undefined) {
        this.sendTo(logicalId, body);
      }
    }
  }

  /** Puts a text into one queue. */
  sendTo(logicalId: string, body: string): void {
    this.#server.sendMessage(this.#nameOf(logicalId), body, { region });
  }

  async stop(): Promise<void> {
    await this.#server.stop();
  }

  #nameOf(logicalId: string): string {
    return this.#queues.find((queue) => queue.logicalId === logicalId)?.name ?? logicalId;
  }

  #attributesOf(queue: QueueResource): Record<string, string> {
    const attributes = {
      VisibilityTimeout: String(queue.visibilityTimeoutSeconds),
      MessageRetentionPeriod: String(queue.retentionSeconds),
    };
    if (queue.redrive === undefined) {
      return attributes;
    }
    const { deadLetterQueue, maxReceiveCount } = queue.redrive;
    const policy = { deadLetterTargetArn: this.arn(deadLetterQueue), maxReceiveCount };
    return { ...attributes, RedrivePolicy: JSON.stringify(policy) };
  }
}
