/** Reads a few JSON documents of a server that `advise` was pointed at: of any version, so without a store. */
import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { credentialsOf, tlsMaterialOf } from '../../core/config/server-access.ts';
import { MirrorError } from '../../core/errors.ts';
import { secretResolver } from '../../core/secrets/resolve-secret.ts';
import { secretsManagerFetcher } from '../../core/secrets/secrets-manager.ts';
import { serverOfUrl } from '../server-options.ts';

export interface ServerJson {
  /** The address without credentials. */
  readonly name: string;
  /** `undefined` where the server answers 404. Throws `unreachable`, `unauthorized`, `forbidden`, `not-orthanc`. */
  readJson(path: string): Promise<unknown>;
}

const answerTimeoutMs = 60_000;
const longestAnswerBytes = 16 * 1024 * 1024;

/** @param values all option values of the command, those of the server among them */
export async function openServerJson(url: string, values: unknown): Promise<ServerJson> {
  const { configuration, urlCredentials } = serverOfUrl('source', url, values);
  const secrets = secretResolver({ fetchSecret: secretsManagerFetcher() });
  const headers = await credentialsOf(configuration, secrets)?.(false);
  const auth = urlCredentials && `${urlCredentials.username}:${urlCredentials.password}`;
  const options: RequestOptions = {
    timeout: answerTimeoutMs,
    ...(headers && { headers }),
    ...(auth && { auth }),
    ...(await tlsMaterialOf(configuration, secrets)),
  };
  const base = configuration.url.replace(/\/$/, '');
  return { name: base, readJson: (path) => readJson(base, path, options) };
}

async function readJson(base: string, path: string, options: RequestOptions): Promise<unknown> {
  const response = await get(`${base}${path}`, options).catch((error: unknown) => {
    throw new MirrorError('unreachable', `${base} does not answer; check the address, and that the server runs`, {
      cause: error,
    });
  });
  const { statusCode = 0 } = response;
  if (statusCode !== 200) response.resume();
  if (statusCode === 404) return undefined;
  if (statusCode === 401) throw new MirrorError('unauthorized', `${base} wants a user and a password (--source-user)`);
  if (statusCode === 403) throw new MirrorError('forbidden', `${base} does not let this user read ${path}`);
  if (statusCode !== 200)
    throw new MirrorError('server-error', `${base}${path} was answered with status ${statusCode}`);
  return parseAnswer(base, await textOf(response, base));
}

function get(url: string, options: RequestOptions): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const send = url.startsWith('https:') ? httpsRequest : httpRequest;
    const request = send(url, options, resolve);
    request.on('timeout', () => request.destroy(new Error('no answer in time')));
    request.on('error', reject);
    request.end();
  });
}

async function textOf(response: IncomingMessage, base: string): Promise<string> {
  let text = '';
  try {
    for await (const chunk of response.setEncoding('utf8')) {
      text += String(chunk);
      if (text.length > longestAnswerBytes) throw notOrthanc(base);
    }
  } catch (error) {
    if (error instanceof MirrorError) throw error;
    throw new MirrorError('unreachable', `${base} closed the connection amid its answer`, { cause: error });
  }
  return text;
}

function parseAnswer(base: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw notOrthanc(base, error);
  }
}

function notOrthanc(base: string, cause?: unknown): MirrorError {
  return new MirrorError('not-orthanc', `${base} answers, but not as an Orthanc does`, { cause });
}
