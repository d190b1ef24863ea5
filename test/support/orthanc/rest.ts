/** Changing and reading what a server under test holds besides DICOM, by another way than the product's. */

export async function put(url: string, path: string, body: string | Uint8Array = ''): Promise<void> {
  await change(url, path, { method: 'PUT', body: typeof body === 'string' ? body : Uint8Array.from(body) });
}

export async function remove(url: string, path: string): Promise<void> {
  await change(url, path, { method: 'DELETE' });
}

/** The text under a path, or `undefined` where there is none (404). */
export async function text(url: string, path: string): Promise<string | undefined> {
  const answer = await fetch(url + path);
  const body = await answer.text();
  return answer.status === 404 ? undefined : body;
}

export async function json(url: string, path: string): Promise<unknown> {
  return JSON.parse((await text(url, path)) ?? 'null');
}

async function change(url: string, path: string, init: RequestInit): Promise<void> {
  const answer = await fetch(url + path, init);
  await answer.arrayBuffer();
  if (!answer.ok) throw new Error(`${init.method} ${path}: ${answer.status}`);
}
