/** One frame after the other in another thread, which is ended when it takes too long. */
import { once } from 'node:events';
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import * as z from 'zod';
import { UndecodableFrame } from '../../core/open/rendering/decode-frame.ts';
import type { FrameToRender } from '../../core/open/rendering/render-frame.ts';
import { WebError } from '../../core/open/web/message.ts';

/** Beside this file, or beside the parts of a program that was bundled. */
const workerFile = new URL(`../open/render-worker${extname(import.meta.url)}`, import.meta.url);
const longestMs = 20_000;
/** Frames that wait: each is held in memory. */
const mostWaiting = 32;
const mostHeapMiB = 512;

const answerSchema = z.union([z.object({ picture: z.instanceof(Uint8Array) }), z.object({ problem: z.string() })]);

export class RenderThread {
  #worker: Worker | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  /** Renders a frame. Throws `UndecodableFrame`, and `WebError` 503 when too many are asked for at once. */
  async render(frame: FrameToRender, signal: AbortSignal): Promise<Uint8Array> {
    if (this.#waiting >= mostWaiting) throw new WebError(503, 'too many pictures at once', { 'retry-after': '2' });
    this.#waiting += 1;
    const rendered = this.#queue.then(() => this.#renderNow(frame, signal));
    this.#queue = rendered.catch(() => undefined);
    try {
      return await rendered;
    } finally {
      this.#waiting -= 1;
    }
  }

  async close(): Promise<void> {
    await this.#worker?.terminate();
    this.#worker = undefined;
  }

  async #renderNow(frame: FrameToRender, signal: AbortSignal): Promise<Uint8Array> {
    if (signal.aborted) throw new UndecodableFrame('nobody waits for the image any more');
    this.#worker ??= new Worker(workerFile, {
      resourceLimits: { maxOldGenerationSizeMb: mostHeapMiB },
    });
    const worker = this.#worker;
    worker.unref();
    worker.postMessage(frame);
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(), longestMs);
    try {
      const [message] = await Promise.race([
        once(worker, 'message', { signal: limit.signal }),
        once(worker, 'exit', { signal: limit.signal }).then(() => []),
      ]);
      const answer = answerSchema.safeParse(message);
      if (!answer.success) throw new UndecodableFrame('the image needs more memory than it may have');
      if ('problem' in answer.data) throw new UndecodableFrame(answer.data.problem);
      return answer.data.picture;
    } catch (error) {
      if (error instanceof UndecodableFrame && worker.threadId !== -1) throw error;
      await this.close();
      throw error instanceof UndecodableFrame ? error : new UndecodableFrame('the image takes too long to be shown');
    } finally {
      clearTimeout(timer);
      limit.abort();
    }
  }
}
