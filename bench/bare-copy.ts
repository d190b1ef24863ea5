/**
 * Copies with undici and nothing else: no hash, no proof, no archive. What a path and two servers let through at best.
 *
 *     node bench/bare-copy.ts SOURCE TARGET CONNECTIONS
 */
import { Pool } from 'undici';
import { z } from 'zod';

const [source = '', target = '', connections = '8'] = process.argv.slice(2);
const options = {
  connections: Number(connections),
  pipelining: 1,
  keepAliveTimeout: 700,
  keepAliveTimeoutThreshold: 300,
};
const from = new Pool(source, options);
const to = new Pool(target, options);

const listing = await from.request({ method: 'GET', path: '/instances' });
const ids = z.array(z.string()).parse(await listing.body.json());
const waiting = ids.values();

async function copy(id: string): Promise<void> {
  const file = await from.request({ method: 'GET', path: `/instances/${id}/file` });
  const body = Buffer.from(await file.body.arrayBuffer());
  const answer = await to.request({ method: 'POST', path: '/instances', body });
  await answer.body.dump();
  if (answer.statusCode !== 200) throw new Error(`the target answered ${answer.statusCode}`);
}

await Promise.all(
  Array.from({ length: Number(connections) }, async () => {
    for (const id of waiting) {
      // On a busy machine the server may close an idle connection while a request is on its way.
      await copy(id).catch(() => copy(id));
    }
  }),
);
await Promise.all([from.close(), to.close()]);
