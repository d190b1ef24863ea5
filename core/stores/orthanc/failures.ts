/** What can go wrong between us and a server, told as {@link MirrorError}s: decided here and nowhere else. */
import { errors } from 'undici';
import { type Advice, type ErrorCode, MirrorError } from '../../errors.ts';

/** Which code a status has for one kind of call, where it differs from the usual. */
export type StatusCodes = Readonly<Record<number, ErrorCode>>;

/**
 * What a status means, from the codes of Orthanc (Enumerations.cpp, ConvertErrorCodeToHttpStatus) and of the proxies
 * in front of it. 409 is the same instance being stored at this moment (PostgreSQL) or a stale revision.
 */
const usualCodes: StatusCodes = {
  401: 'unauthorized',
  403: 'forbidden',
  404: 'vanished',
  405: 'read-only',
  407: 'unauthorized',
  408: 'busy',
  409: 'busy',
  412: 'changed-meanwhile',
  425: 'busy',
  429: 'busy',
  503: 'busy',
  507: 'full',
};

const advice: Partial<Record<ErrorCode, string>> = {
  unauthorized: 'give the credentials of a user of this server',
  forbidden: 'allow this user to do so on this server',
  'read-only': 'the server does not accept changes; is it configured with ReadOnly?',
  full: 'the server has no space left; free some or raise MaximumStorageSize',
  'not-orthanc': 'does the address name the REST API of an Orthanc server, with its base path?',
};

const redirectAdvice = 'redirects are not followed; give the address that it points to, if that is the right one';

/** @returns the code of a status that is no success. */
export function codeOfStatus(status: number, special: StatusCodes = {}): ErrorCode {
  const code = special[status] ?? usualCodes[status];
  if (code !== undefined) return code;
  if (status >= 500) return 'server-error';
  // What is left is a redirect: what is behind it is another place than the configured one.
  return status >= 400 ? 'refused' : 'not-orthanc';
}

export interface RefusedCall {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly retryAfterMs: number | undefined;
  /** Orthanc's own name of the error (`Bad file format`): an enumeration, never a value of the file. */
  readonly orthancError: string | undefined;
  /** Whether it was told who asks. */
  readonly withCredentials: boolean;
}

/** What 1.10.1, 1.12.7 and 1.13.0 say, with a 500, of a file of their storage that is gone: asking again is no use. */
const lostFile = 'The specified path does not point to a regular file';

/** @returns the error of an answer that is no success. */
export function errorOfStatus(call: RefusedCall, special?: StatusCodes): MirrorError {
  const code = codeOfStatus(call.status, special);
  const { name, method, path, status, orthancError, retryAfterMs } = call;
  const reason = orthancError === undefined ? '' : ` (${orthancError})`;
  const isDoubted = code === 'unauthorized' && call.withCredentials;
  const known = isDoubted
    ? 'it does not accept the credentials that were given; check user and password'
    : advice[code];
  const hint = status < 400 ? `: ${redirectAdvice}` : known === undefined ? '' : `: ${known}`;
  const message = `${name} answered ${status}${reason} to ${method} ${pathOnly(path)}${hint}`;
  return new MirrorError(code, message, {
    ...(orthancError === lostFile && { disposition: 'reject' }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    store: name,
  });
}

/** @returns milliseconds of a Retry-After header: seconds, or a date. */
export function parseRetryAfter(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  const ms = /^\d+$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - nowMs;
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}

const giveOurs = 'give one and its key (tls.clientCertificate in the configuration)';

/** What is wrong with a TLS connection, by the codes of OpenSSL and Node, and what to do. The first that matches counts. */
const tlsCauses: readonly (readonly [RegExp, string, Advice?])[] = [
  [
    /ALTNAME_INVALID|HOSTNAME_MISMATCH/,
    'its certificate is for another name; address it by the name in its certificate',
  ],
  [/HAS_EXPIRED/, 'its certificate has expired; renew it there'],
  [/NOT_YET_VALID/, 'its certificate is not valid yet; is the clock of one of the two machines wrong?'],
  [
    /CERTIFICATE_REQUIRED|ALERT_(?:BAD_CERTIFICATE|CERTIFICATE|UNKNOWN_CA|HANDSHAKE_FAILURE|ACCESS_DENIED)|SSLV3_ALERT/,
    `it wants a certificate of ours that it trusts: ${giveOurs}`,
    'give-client-certificate',
  ],
  [
    /WRONG_VERSION_NUMBER|PACKET_LENGTH|EPROTO|HTTP_REQUEST|RECORD_LAYER/,
    'it does not speak TLS there; does its address begin with http://, or is the port another?',
  ],
  [/UNSUPPORTED_PROTOCOL|PROTOCOL_VERSION|VERSION_TOO_LOW/, 'it knows no version of TLS that is still safe; update it'],
  [
    /SELF_SIGNED|UNABLE_TO_|INVALID_CA|CERT_UNTRUSTED|SIGNATURE/,
    'nobody whom we trust signed its certificate; give the certificate authority (tls.ca in the configuration)',
    'give-certificate-authority',
  ],
];

/** OpenSSL's and Node's names of certificates that do not convince (node:tls, "X509 certificate error codes"). */
const tlsCodes =
  /^(?:CERT_|ERR_TLS_|ERR_SSL_|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_EXCEEDED|EPROTO)/;

const unreachableReasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refuses connections',
  ECONNRESET: 'broke the connection',
  EPIPE: 'broke the connection',
  UND_ERR_SOCKET: 'closed the connection',
  ENOTFOUND: 'has a name that is not known',
  EAI_AGAIN: 'has a name that cannot be resolved now',
  ETIMEDOUT: 'does not answer',
  EHOSTUNREACH: 'cannot be reached by the network',
  ENETUNREACH: 'cannot be reached by the network',
  UND_ERR_ABORTED: 'is behind a proxy that does not let us through (HTTPS_PROXY; NO_PROXY excepts servers)',
  UND_ERR_PRX_CONN: 'is behind a proxy that broke the connection (HTTPS_PROXY; NO_PROXY excepts servers)',
  UND_ERR_CONNECT_TIMEOUT: 'does not take connections in time',
  UND_ERR_HEADERS_TIMEOUT: 'did not answer in time',
  UND_ERR_BODY_TIMEOUT: 'stopped answering',
};

/** @returns the error of a connection that failed with `cause`; `protocol` as in a URL, where it is known */
export function errorOfTransport(name: string, cause: unknown, protocol?: string): MirrorError {
  const code = codeOf(cause);
  if (tlsCodes.test(code)) {
    const known = tlsCauses.find(([codes]) => codes.test(code));
    const [, why = 'check the certificates of both sides', step] = known ?? [];
    const what = `the TLS connection failed: ${why}`;
    return new MirrorError('tls-untrusted', `${name}: ${what} (${code})`, { cause, store: name, advice: step });
  }
  if (code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH') return shortBody(name, cause);
  if (code === 'UND_ERR_HEADERS_OVERFLOW') {
    return new MirrorError('server-error', `${name} answers with more headers than any server needs`, { cause });
  }
  if (code.startsWith('HPE_') || cause instanceof errors.HTTPParserError) {
    const what = 'answers something that is not HTTP; does its address begin with https://?';
    const found = code === '' ? '' : ` (${code})`;
    return new MirrorError('server-error', `${name} ${what}${found}`, { cause, store: name });
  }
  const [guess, advice] = closedUnanswered(cause, protocol) ?? [];
  const reason = guess ?? unreachableReasons[code] ?? 'cannot be reached';
  const message = `${name} ${reason}${code === '' ? '' : ` (${code})`}`;
  return new MirrorError('unreachable', message, { cause, store: name, advice });
}

/** What a server does that expects TLS and is spoken to in plain text; over TLS 1.3, one that misses a certificate of ours. */
function closedUnanswered(cause: unknown, protocol: string | undefined): readonly [string, Advice?] | undefined {
  if (!(cause instanceof errors.SocketError) || cause.socket?.bytesRead !== 0) return undefined;
  const what = 'closed the connection without an answer';
  if (protocol === 'http:') return [`${what}; if it expects TLS, its address begins with https://`];
  if (protocol === 'https:') return [`${what}; if it asks for a certificate, ${giveOurs}`, 'give-client-certificate'];
  return undefined;
}

/** @returns the error of a body that ended before its announced size. */
export function shortBody(name: string, cause?: unknown): MirrorError {
  return new MirrorError('body-short', `${name} ended the body of an answer before its announced size`, {
    cause,
    store: name,
  });
}

/** @returns the error of an answer of another shape than Orthanc's. */
export function malformedAnswer(name: string, path: string, problem: string, cause?: unknown): MirrorError {
  const what = `${name} answered ${pathOnly(path)} in another form: ${problem}`;
  return new MirrorError('answer-malformed', what, { cause, store: name });
}

/** The code of an error, or of the first below it that has one: several addresses of a host make an AggregateError. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return '';
  if ('code' in error && typeof error.code === 'string') return error.code;
  if (error instanceof AggregateError) return error.errors.map(codeOf).find((code) => code !== '') ?? '';
  return codeOf(error.cause);
}

function pathOnly(path: string): string {
  return path.split('?', 1)[0] ?? path;
}
