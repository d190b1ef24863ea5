/** Asks the routes of an archive as a client would, without a server between. */
import { answer } from '../../../core/open/web/answer.ts';
import type { WebRequest } from '../../../core/open/web/message.ts';
import type { Routes } from '../../../core/open/web/routes.ts';

export interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Buffer;
}

const origin = 'http://archive.test';

/** A request as a listener would make it. */
export function requestFor(
  address: string,
  more: { readonly method?: string; readonly accept?: string; readonly body?: unknown } = {},
): WebRequest {
  // As it stands: a URL would already have taken `..` out of it.
  const [path = '/', ...query] = address.replace(origin, '').split('?');
  return {
    method: more.method ?? 'GET',
    path,
    query: new URLSearchParams(query.join('?')),
    headers: { accept: more.accept },
    origin,
    readBody: async () => Buffer.from(JSON.stringify(more.body ?? null)),
    signal: new AbortController().signal,
  };
}

/** Asks, and reads the whole answer. Throws what breaks the answer off, and every defect. */
export async function ask(
  routes: Routes,
  address: string,
  more: Parameters<typeof requestFor>[1] = {},
): Promise<Answered> {
  const defects: unknown[] = [];
  const respond = () => routes.answer(requestFor(address, more));
  const { status, headers, body } = await answer(respond, (error) => defects.push(error));
  if (defects.length > 0) throw defects[0];
  const bytes = body instanceof Uint8Array ? Buffer.from(body) : Buffer.concat(await Array.fromAsync(body));
  const expected = headers['content-length'];
  if (expected !== undefined && Number(expected) !== bytes.length) {
    throw new Error(`${address} promised ${expected} bytes and gave ${bytes.length}`);
  }
  return { status, headers, bytes };
}

/** Asks for JSON. Throws unless the answer is 200. */
export async function askJson(
  routes: Routes,
  address: string,
  more: Parameters<typeof requestFor>[1] = {},
): Promise<unknown> {
  const { status, bytes } = await ask(routes, address, more);
  if (status !== 200) throw new Error(`${address} is answered ${status}: ${bytes.toString()}`);
  return JSON.parse(bytes.toString());
}
