/** What the demo asks the two servers while it waits. */
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';

const statistics = z.object({ CountInstances: z.number() });

/** How many instances a server holds. */
export async function countInstances(serverUrl: string): Promise<number> {
  const response = await fetch(new URL('statistics', serverUrl));
  return statistics.parse(await response.json()).CountInstances;
}

/** Whether a server holds an instance. */
export async function holds(serverUrl: string, id: string): Promise<boolean> {
  const response = await fetch(new URL(`instances/${id}/statistics`, serverUrl));
  await response.body?.cancel();
  return response.ok;
}

/**
 * Asks again and again until it holds, or until nothing has changed for `patienceMs`.
 * @param observe what to look at; `progress` is any text that changes while things go on
 * @returns whether it came to hold
 */
export async function waitUntil(
  observe: () => Promise<{ readonly done: boolean; readonly progress: string }>,
  patienceMs: number,
  show: (progress: string) => void = () => undefined,
): Promise<boolean> {
  let last = '';
  let changedAtMs = performance.now();
  for (;;) {
    const { done, progress } = await observe();
    if (done) return true;
    if (progress !== last) {
      last = progress;
      changedAtMs = performance.now();
      show(progress);
    }
    if (performance.now() - changedAtMs > patienceMs) return false;
    await delay(200);
  }
}
