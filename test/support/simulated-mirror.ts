/**
 * A mirror as it runs in the cloud, with its real decisions, on stores in memory and a clock that is turned by hand:
 * ticks, a queue with delays and receive counts, batches of messages.
 */

import { answerBatch } from '../../core/cloud/queue/answer-batch.ts';
import { answerDelivery, type DeadLetterReason, type Delivery } from '../../core/cloud/queue/deliveries.ts';
import type { QueueMessage } from '../../core/cloud/queue/message.ts';
import { copyAnnounced } from '../../core/cloud/transfer/copy-announced.ts';
import { MessageGate } from '../../core/cloud/transfer/message-gate.ts';
import type { CopyContext } from '../../core/copy/copy-context.ts';
import { defaultBudget } from '../../core/copy/copy-context.ts';
import type { Destination } from '../../core/copy/outcome.ts';
import { type Pause, pauseBeside } from '../../core/mirror/pause/pause.ts';
import type { Progress } from '../../core/mirror/progress.ts';
import { type TickReport, tick } from '../../core/mirror/tick.ts';
import type { ObjectStorage } from '../../core/stores/archive/object-storage.ts';
import type { Store } from '../../core/stores/store.ts';
import { MemoryArchive, MemoryStore, sampleBytes, sampleId } from './memory-store.ts';
import { standingClock } from './simulated-clock.ts';
import { change, SimulatedFeed } from './simulated-feed.ts';

export const minuteMs = 60_000;
const batchSize = 10;

interface QueuedMessage {
  readonly body: string;
  visibleAtMs: number;
  receiveCount: number;
}

export interface SimulatedMirrorOptions {
  /** Where the flags of the mirror lie. */
  readonly objects: ObjectStorage;
  readonly targets: readonly string[];
  readonly maxReceiveCount?: number;
  /** What the source is read through. */
  readonly reader?: (source: Store, mirror: SimulatedMirror) => Store;
}

export class SimulatedMirror {
  nowMs = Date.parse('2026-11-21T00:00:00Z');
  readonly source = new MemoryStore('source');
  readonly archive = new MemoryArchive('archive');
  readonly targets: readonly MemoryStore[];
  readonly feed = new SimulatedFeed();
  readonly deadLetters: (DeadLetterReason & { readonly body: string })[] = [];
  /** Messages that were ever delivered. */
  deliveries = 0;
  queue: QueuedMessage[] = [];
  readonly pause: Pause;
  readonly #destinations: readonly Destination[];
  readonly #maxReceiveCount: number;
  readonly #reader: Store;
  #progress: Progress | undefined;
  #version = 0;

  constructor({ objects, targets, maxReceiveCount = 8, reader = (source) => source }: SimulatedMirrorOptions) {
    this.targets = targets.map((name) => new MemoryStore(name));
    this.#destinations = [
      ...this.targets.map((store) => ({ role: 'target', store }) as const),
      { role: 'archive', store: this.archive } as const,
    ];
    this.#maxReceiveCount = maxReceiveCount;
    this.#reader = reader(this.source, this);
    this.pause = pauseBeside(objects, () => new Date(this.nowMs));
  }

  /** The n-th instance arrives at the source. */
  add(n: number): void {
    this.source.instances.set(sampleId(n), sampleBytes(n));
    this.feed.add(change(this.feed.lastEver + 1, n));
  }

  tick(): Promise<TickReport> {
    return tick({
      source: this.source,
      feed: this.feed,
      sourceIdentity: async () => 'database',
      destinations: this.#destinations,
      document: {
        read: async () =>
          this.#progress === undefined ? undefined : { value: this.#progress, version: `${this.#version}` },
        write: async (progress) => {
          this.#progress = progress;
          this.#version += 1;
          return `${this.#version}`;
        },
      },
      send: async (announcements) => {
        for (const one of announcements) this.#send(one);
      },
      underLease: (work) => work(),
      clock: standingClock(() => this.nowMs),
      compareEveryMs: 24 * 60 * minuteMs,
      deadline: new AbortController().signal,
      pauses: {
        pause: this.pause,
        probeAfterMs: minuteMs,
        random: () => 0.5,
        graceMs: 30 * minuteMs,
        tryOut: async (_, id) => {
          this.#send({ id });
          return 'sent';
        },
      },
    });
  }

  /** Works on everything that is visible now, in batches. */
  async work(): Promise<void> {
    for (;;) {
      const batch = this.queue.filter(({ visibleAtMs }) => visibleAtMs <= this.nowMs).slice(0, batchSize);
      if (batch.length === 0) return;
      await this.#workOn(batch);
    }
  }

  /** What the function that copies does for one message: throws what decides about it. */
  transfer(): (message: QueueMessage) => Promise<void> {
    const gate = new MessageGate({
      mirror: 'main',
      source: this.source,
      destinations: this.#destinations,
      pause: this.pause,
      probeAfterMs: minuteMs,
      mostSuspicions: this.#maxReceiveCount,
    });
    const context: CopyContext = { source: this.#reader, budget: defaultBudget() };
    return async (message) => {
      if (message.kind !== 'instance') return;
      const { error } = await copyAnnounced(message, gate, context);
      if (error !== undefined) throw error;
    };
  }

  /** Puts messages on the queue. */
  leave(messages: readonly QueueMessage[]): void {
    for (const message of messages) this.#send(message);
  }

  async #workOn(batch: readonly QueuedMessage[]): Promise<void> {
    const transfer = this.transfer();
    const limits = { maxReceiveCount: this.#maxReceiveCount, backOff: { firstMs: 15_000, lastMs: 60 * minuteMs } };
    const deliveries = batch.map((message): Delivery & { readonly message: QueuedMessage } => {
      message.receiveCount += 1;
      this.deliveries += 1;
      return { body: message.body, receiptHandle: '', receiveCount: message.receiveCount, message };
    });
    const returned = await answerBatch(
      deliveries,
      this.#maxReceiveCount,
      (delivery) =>
        answerDelivery(
          delivery,
          transfer,
          {
            postpone: async (_, waitMs) => {
              delivery.message.visibleAtMs = this.nowMs + waitMs;
            },
            sendAnew: async ({ body }, waitMs) =>
              void this.queue.push({ body, receiveCount: 0, visibleAtMs: this.nowMs + waitMs }),
            deadLetter: async ({ body }, reason) => void this.deadLetters.push({ ...reason, body }),
          },
          limits,
        ),
      (_, error) => {
        throw error;
      },
    );
    const done = new Set(deliveries.filter((delivery) => !returned.includes(delivery)).map(({ message }) => message));
    this.queue = this.queue.filter((message) => !done.has(message));
  }

  #send(instance: object): void {
    const body = JSON.stringify({ v: 1, mirror: 'main', kind: 'instance', ...instance });
    this.queue.push({ body, receiveCount: 0, visibleAtMs: this.nowMs });
  }
}
