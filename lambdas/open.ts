/** Answers DICOMweb and what Orthanc's users script against, from the archives, to callers that AWS or an issuer of tokens knows. */
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
import middy from '@middy/core';
import { executionModeStreamifyResponse } from '@middy/core/StreamifyResponse';
import type { Context } from 'aws-lambda';
import { loadConfiguration } from '../core/config/load.ts';
import { bundledConfigurationFile, readFunctionEnvironment } from '../core/environment.ts';
import { emptyLog, nextLine } from '../core/open/web/access-line.ts';
import { answer, withSecurityHeaders } from '../core/open/web/answer.ts';
import { discard, nothing, type WebResponse } from '../core/open/web/message.ts';
import { TokenIssuer } from '../core/open/web/token-issuer.ts';
import { count, emitMetrics } from './metrics-emitter.ts';
import { type ArchiveRequest, archiveRequestOf } from './open-event.ts';
import { OpenedArchives } from './opened-archives.ts';
import { errorFields, log, logger } from './telemetry.ts';

/** Time to break off an answer before the function is ended. */
const marginMs = 1_000;

const environment = readFunctionEnvironment();
const configuration = await loadConfiguration(join(environment.codeFolder, bundledConfigurationFile));
const archives = new OpenedArchives(configuration, environment.ORTHANC_MIRROR_BUCKET);
const oidc = configuration.cloud.open?.oidc;
const issuer = oidc && new TokenIssuer(oidc);
let logEnd = emptyLog;

interface StreamedResponse {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Readable;
}

export const handler = middy<unknown, StreamedResponse, Error, Context>({
  executionMode: executionModeStreamifyResponse,
})
  .use(injectLambdaContext(logger))
  .use(emitMetrics('open'))
  .handler(async (event, context) => {
    const signal = AbortSignal.timeout(Math.max(0, context.getRemainingTimeInMillis() - marginMs));
    let asked: ArchiveRequest | undefined;
    const respond = async () => {
      asked = await archiveRequestOf(event, issuer, signal);
      return (await archives.routes(asked.mirror, asked.at)).answer(asked.request);
    };
    const answered = await answer(respond, (error) => log('error', 'request not answered', errorFields(error)));
    tell(answered, asked);
    if (asked?.request.method !== 'HEAD') return streamed(withSecurityHeaders(answered));
    await discard(answered);
    return streamed(withSecurityHeaders({ ...answered, body: nothing }));
  });

/** Logged before it is shown; a log of the stream that a process writes to can be checked like the one of `open`. */
function tell({ access, status }: WebResponse, asked: ArchiveRequest | undefined): void {
  if (asked === undefined || access === undefined) {
    if (status === 401 || status === 403 || status >= 500) log('warn', 'request refused', { status });
    return;
  }
  const { who, mirror } = asked;
  const { line, end } = nextLine(logEnd, new Date(), { who, mirror, ...access, status });
  logEnd = end;
  log('info', 'archive looked into', { mirror, entry: line });
  count('ArchiveRequests', 1, { mirror });
}

function streamed({ status, headers, body }: WebResponse): StreamedResponse {
  // The length is told by who sends: how an answer that breaks off looks is not ours to say.
  const { 'content-length': _, ...told } = headers;
  return { statusCode: status, headers: told, body: Readable.from(body instanceof Uint8Array ? [body] : body) };
}
