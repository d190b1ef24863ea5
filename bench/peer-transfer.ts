/** Lets Orthanc copy by itself: its peers, asynchronously, one job per patient. */
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';

const job = z.object({ State: z.enum(['Pending', 'Running', 'Success', 'Failure', 'Paused', 'Retry']) });

/** Sends every patient of `sourceUrl` to `targetUrl` and waits for all jobs. */
export async function peerTransfer(sourceUrl: string, targetUrl: string): Promise<void> {
  const call = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const payload = body === undefined ? {} : { body: JSON.stringify(body) };
    const response = await fetch(new URL(path, sourceUrl), { method, ...payload });
    if (!response.ok) throw new Error(`the source answered ${response.status} to ${method} ${path}`);
    const text = await response.text();
    return text === '' ? undefined : JSON.parse(text);
  };
  await call('PUT', 'peers/target', { Url: targetUrl });
  const patients = z.array(z.string()).parse(await call('GET', 'patients'));
  const jobs: string[] = [];
  for (const patient of patients) {
    const started = await call('POST', 'peers/target/store', { Resources: [patient], Asynchronous: true });
    jobs.push(z.object({ ID: z.string() }).parse(started).ID);
  }
  for (const id of jobs) {
    for (let state = 'Pending'; state !== 'Success'; ) {
      state = job.parse(await call('GET', `jobs/${id}`)).State;
      if (state === 'Failure') throw new Error('a peer transfer failed');
      if (state !== 'Success') await delay(20);
    }
  }
}
