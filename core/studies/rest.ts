/** What study documents, conflicts and the preflight need of an Orthanc server's REST interface. */
import type { z } from 'zod';
import { MirrorError } from '../errors.ts';
import type { CallOptions } from '../stores/store.ts';

export interface RestRequest extends CallOptions {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Path and query, beginning with `/`; holds ids, numbers and labels only. */
  readonly path: string;
  /** Sent as it is; JSON is given as text. */
  readonly body?: string | Uint8Array | undefined;
  /** ETag that the resource must still have. */
  readonly ifMatch?: string | undefined;
}

export interface RestAnswer {
  readonly status: number;
  readonly etag: string | undefined;
  readonly body: Uint8Array;
}

/** The bytes of an attachment being sent or read: read once. */
export interface SizedBytes {
  readonly sizeBytes: number;
  /** Ends normally only after `sizeBytes` bytes. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Gives up reading. Idempotent. */
  cancel(): void;
}

/** A connection to one server. */
export interface Rest {
  /** How the server is called in messages. */
  readonly name: string;

  /**
   * Asks once, or again where the request can be repeated safely. Answers 200, 404, 405 and 409 are returned; any other
   * is thrown as a MirrorError of its meaning, and so is a connection that fails.
   */
  request(request: RestRequest): Promise<RestAnswer>;

  /** Starts reading the bytes under a path. Throws `vanished` on 404. */
  open(path: string, options?: CallOptions): Promise<SizedBytes>;

  /** Sends bytes of a known length. Answers and errors as in {@link request}; never repeated. */
  upload(path: string, bytes: SizedBytes, options?: CallOptions & { readonly ifMatch?: string | undefined }): Promise<RestAnswer>;
}

/**
 * Asks for JSON of a known form. Throws `vanished` on 404, `answer-malformed` if the answer does not have the form
 * (without the answer itself: it may hold patient data).
 */
export async function readJson<T>(
  rest: Rest,
  request: Omit<RestRequest, 'body'> & { readonly json?: unknown },
  schema: z.ZodType<T>,
): Promise<T> {
  const { json, ...rest_ } = request;
  const answer = await rest.request({ ...rest_, body: json === undefined ? undefined : JSON.stringify(json) });
  if (answer.status === 404) throw new MirrorError('vanished', `${rest.name} does not hold ${pathOnly(request.path)}`);
  if (answer.status !== 200) throw unexpectedStatus(rest, request, answer.status);
  return parseAnswer(rest.name, request.path, answer.body, schema);
}

/** Reads an answer as JSON of a known form; see {@link readJson}. */
export function parseAnswer<T>(name: string, path: string, body: Uint8Array, schema: z.ZodType<T>): T {
  try {
    return schema.parse(JSON.parse(Buffer.from(body).toString('utf8')));
  } catch (cause) {
    throw new MirrorError(
      'answer-malformed',
      `${name} answered ${pathOnly(path)} in a form that is not Orthanc's; check that nothing between changes answers`,
      { cause },
    );
  }
}

/** The error for an answer that the call has no use for. */
export function unexpectedStatus(
  rest: Rest,
  { method, path }: Pick<RestRequest, 'method' | 'path'>,
  status: number,
): MirrorError {
  const what = `${rest.name} answered ${status} to ${method} ${pathOnly(path)}`;
  if (status === 409) return new MirrorError('changed-meanwhile', `${what}: somebody else changed it; try again`);
  if (status === 405) return new MirrorError('read-only', `${what}: the server is read-only`);
  if (status === 404) return new MirrorError('vanished', what);
  return new MirrorError('refused', what);
}

/** Labels and queries stay out of messages. */
function pathOnly(path: string): string {
  return path.replace(/\?.*$/, '').replace(/\/labels\/.*$/, '/labels');
}
