/** A webhook on a free loopback port that can be taken down, made to hang, and asked what it was told. */
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { WebhookAnnouncement } from '../../../core/cloud/webhook/announcement.ts';
import { webhookListener } from '../../../core/cloud/webhook/http-listener.ts';
import { createWebhook, type WebhookOptions } from '../../../core/cloud/webhook/webhook.ts';
import { freePort } from '../../../local/free-port.ts';

export interface WebhookServer {
  readonly url: string;
  /** Everything that was announced, in order, repetitions included. */
  readonly announcements: WebhookAnnouncement[];
  /** Requests that arrived while it hung. */
  readonly unanswered: number;
  /** Listens (again), on the same port. */
  up(): Promise<void>;
  /** Refuses connections. */
  down(): Promise<void>;
  /** Accepts connections and requests, and never answers. */
  hang(): Promise<void>;
  /** Resolves when this was announced. */
  told(expected: WebhookAnnouncement): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export async function startWebhook(options: WebhookOptions): Promise<WebhookServer> {
  const webhook = new LocalWebhook(options, await freePort());
  await webhook.up();
  return webhook;
}

class LocalWebhook implements WebhookServer {
  readonly announcements: WebhookAnnouncement[] = [];
  readonly #port: number;
  readonly #options: WebhookOptions;
  #server: Server | undefined;
  #waiting: (() => void)[] = [];
  #hanging: ServerResponse[] = [];

  constructor(options: WebhookOptions, port: number) {
    this.#options = options;
    this.#port = port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/announce`;
  }

  get unanswered(): number {
    return this.#hanging.length;
  }

  async up(): Promise<void> {
    const decide = createWebhook(this.#options);
    await this.#listen(
      createServer(
        webhookListener(decide, async ({ announcements }) => {
          this.announcements.push(...announcements);
          for (const look of this.#waiting) look();
        }),
      ),
    );
  }

  async hang(): Promise<void> {
    await this.#listen(createServer((_, response) => this.#hanging.push(response)));
  }

  async down(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  }

  async told(expected: WebhookAnnouncement): Promise<void> {
    const text = JSON.stringify(expected);
    const isTold = () => this.announcements.some((announcement) => JSON.stringify(announcement) === text);
    if (isTold()) return;
    await new Promise<void>((resolve) => {
      const look = () => {
        if (!isTold()) return;
        this.#waiting = this.#waiting.filter((waiting) => waiting !== look);
        resolve();
      };
      this.#waiting.push(look);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.down();
  }

  async #listen(server: Server): Promise<void> {
    await this.down();
    this.#server = server;
    server.listen(this.#port, '127.0.0.1');
    await once(server, 'listening');
  }
}
