/** Talking to a server under test by another way than the product's. */

/** Uploads instances one after the other; throws unless each was stored. */
export async function upload(url: string, instances: Iterable<{ readonly bytes: Uint8Array }>): Promise<void> {
  for (const { bytes } of instances) {
    const answer = await fetch(`${url}/instances`, { method: 'POST', body: Uint8Array.from(bytes) });
    const text = await answer.text();
    if (!/"Status"\s*:\s*"(?:Success|AlreadyStored)"/.test(text)) throw new Error(`upload: ${answer.status} ${text}`);
  }
}

/** Deletes instances. */
export async function remove(url: string, ids: Iterable<string>): Promise<void> {
  for (const id of ids) {
    const answer = await fetch(`${url}/instances/${id}`, { method: 'DELETE' });
    if (!answer.ok) throw new Error(`delete: ${answer.status}`);
    await answer.arrayBuffer();
  }
}
