/** Counts what the HTTP client of this process asks of one server. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';

/** Runs `work` and @returns its result with `METHOD path` of every request that was sent to `url` meanwhile. */
export async function countRequests<Result>(
  url: string,
  work: () => Promise<Result>,
): Promise<{ readonly result: Result; readonly requests: readonly string[] }> {
  const requests: string[] = [];
  const onRequest = (message: unknown) => {
    const { request } = message as { request: { origin: string | URL; method: string; path: string } };
    if (String(request.origin).replace(/\/$/, '') === url) requests.push(`${request.method} ${request.path}`);
  };
  subscribe('undici:request:create', onRequest);
  try {
    return { result: await work(), requests };
  } finally {
    unsubscribe('undici:request:create', onRequest);
  }
}
