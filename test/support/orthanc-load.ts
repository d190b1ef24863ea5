/** A client that stores and deletes instances in a server without pause, for tests of what happens meanwhile. */
import { setTimeout as wait } from 'node:timers/promises';
import { generateInstance } from '../../local/dicom/generate.ts';
import { placeOfNth } from '../../local/dicom/identifiers.ts';
import { post } from '../../local/upload.ts';

export interface Load {
  /** Ids of the instances that the server confirmed and that nobody asked it to delete. */
  readonly stored: ReadonlySet<string>;
  /** Ends the client after the request that is under way. */
  stop(): Promise<void>;
}

export interface LoadOptions {
  readonly seed: string;
  readonly sizeBytes?: number;
  /** Deletes the oldest instance whenever there are more than so many of this client. */
  readonly keep?: number;
  /** Between two instances, so that the server does not grow without bound; default 15. */
  readonly pauseMs?: number;
}

/** Begins to post. A server that is away for a while is waited for. */
export function startLoad(url: string, options: LoadOptions): Load {
  const { seed, sizeBytes = 20_000, keep = 50, pauseMs = 15 } = options;
  const stored = new Set<string>();
  let running = true;
  const work = (async () => {
    for (let n = 0; running; n += 1) {
      const { id, bytes } = generateInstance(placeOfNth(seed, n), sizeBytes);
      const answer = await post(url, { sizeBytes, body: () => bytes }).catch(() => undefined);
      await wait(pauseMs);
      if (answer?.kind !== 'stored') {
        await wait(20);
        continue;
      }
      stored.add(id);
      const [oldest] = stored;
      if (oldest === undefined || stored.size <= keep) continue;
      // Forgotten before it is asked for: of a server that is stopped meanwhile nobody knows whether it did it.
      stored.delete(oldest);
      await deleteInstance(url, oldest);
    }
  })();
  return {
    stored,
    stop: async () => {
      running = false;
      await work;
    },
  };
}

async function deleteInstance(url: string, id: string): Promise<void> {
  const answer = await fetch(`${url}/instances/${id}`, { method: 'DELETE' }).catch(() => undefined);
  await answer?.text().catch(() => undefined);
}

/** Posts instances `from` to `to` (exclusive) of a seed and returns their ids. */
export async function fill(url: string, seed: string, to: number, sizeBytes = 20_000, from = 0): Promise<string[]> {
  const ids: string[] = [];
  for (let n = from; n < to; n += 1) {
    const { id, bytes } = generateInstance(placeOfNth(seed, n), sizeBytes);
    const answer = await post(url, { sizeBytes, body: () => bytes });
    if (answer.kind !== 'stored') throw new Error(`the server refused instance ${n} with status ${answer.status}`);
    ids.push(id);
  }
  return ids;
}
