/** Whether a server gives every instance that it lists, with the bytes that it promises. Knows nothing of the product. */
import { createHash } from 'node:crypto';
import { z } from 'zod';

/** The ids of a server in ascending order. */
async function listedInstances(url: string): Promise<string[]> {
  const answer = await fetch(`${url}/instances?since=0&limit=1000000`);
  return z
    .array(z.string())
    .parse(await answer.json())
    .sort();
}

/** Reads every instance and compares its hash. @returns the ids. Throws naming the first that is wrong. */
export async function proveReadable(url: string): Promise<string[]> {
  const ids = await listedInstances(url);
  for (const id of ids) {
    const [bytes, md5] = await Promise.all([
      fetch(`${url}/instances/${id}/file`).then(async (answer) => {
        if (!answer.ok) throw new Error(`instance ${id} is answered with status ${answer.status}`);
        return Buffer.from(await answer.arrayBuffer());
      }),
      fetch(`${url}/instances/${id}/attachments/dicom/md5`).then((answer) => answer.text()),
    ]);
    const found = createHash('md5').update(bytes).digest('hex');
    if (found !== md5) throw new Error(`instance ${id} has MD5 ${found} instead of ${md5}`);
  }
  return ids;
}
