/** From what a function URL gives to the request that the handlers of an archive answer. */
import * as z from 'zod';
import { parseMoment } from '../core/archive-life/restore/moment.ts';
import { isMirrorError } from '../core/errors.ts';
import { WebError, type WebRequest } from '../core/open/web/message.ts';
import type { TokenIssuer } from '../core/open/web/token-issuer.ts';
import { urlEventSchema } from './webhook-event.ts';

const openEventSchema = urlEventSchema.extend({
  rawPath: z.string().startsWith('/'),
  rawQueryString: z.string().default(''),
  requestContext: urlEventSchema.shape.requestContext.extend({ domainName: z.string().default('localhost') }),
});

/** A request to one of the archives. */
export interface ArchiveRequest {
  /** Name that AWS gives who signed it, or the subject of the caller's token. */
  readonly who: string;
  readonly mirror: string;
  /** The moment; absent: now. */
  readonly at: Date | undefined;
  readonly request: WebRequest;
}

/**
 * Reads an event. Its path is `/<mirror>/…`, or `/<mirror>@<time>/…`, of which the handlers see what follows.
 * Throws {@link WebError} 400 for another path or time, 403 for a caller that AWS does not know; with an issuer, what
 * {@link TokenIssuer.who} throws.
 */
export async function archiveRequestOf(
  event: unknown,
  issuer: Pick<TokenIssuer, 'who'> | undefined,
  signal: AbortSignal,
): Promise<ArchiveRequest> {
  const { headers, body, isBase64Encoded, rawPath, rawQueryString, requestContext } = openEventSchema.parse(event);
  const who = await (issuer?.who(headers.authorization) ?? callerKnownToAws(requestContext));
  const [, name = '', rest = ''] = /^\/([^/]+)(\/.*)$/s.exec(rawPath) ?? [];
  const [mirror = '', time] = decoded(name).split('@');
  if (rest === '')
    throw new WebError(400, 'addresses begin with a mirror: /main/dicom-web/studies, /main@2026-11-21/…');
  return {
    who,
    mirror,
    at: time === undefined ? undefined : momentOf(time),
    request: {
      method: requestContext.http.method,
      path: rest,
      query: new URLSearchParams(rawQueryString),
      headers,
      origin: `https://${requestContext.domainName}/${name}`,
      readBody: async () => Buffer.from(body, isBase64Encoded ? 'base64' : 'utf8'),
      signal,
    },
  };
}

function callerKnownToAws({ authorizer }: z.infer<typeof openEventSchema>['requestContext']): string {
  if (authorizer == null) throw new WebError(403, 'requests are signed for IAM here');
  return authorizer.iam.userArn;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new WebError(400, 'the address is not percent-encoded UTF-8');
  }
}

function momentOf(text: string): Date {
  try {
    return parseMoment(text);
  } catch (error) {
    throw isMirrorError(error) ? new WebError(400, error.message) : error;
  }
}
