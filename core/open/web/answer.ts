/** Answers every request, also those that cannot be answered. */
import { isMirrorError, type MirrorError } from '../../errors.ts';
import { UndecodableFrame } from '../rendering/decode-frame.ts';
import { textResponse, WebError, type WebResponse } from './message.ts';

/** Told to a browser with every answer: what is here is shown by nobody else, kept nowhere and loads nothing. */
const securityHeaders: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'self'; base-uri 'none'; form-action 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

/** Adds what every answer has; what the answer says itself wins. */
export function withSecurityHeaders(response: WebResponse): WebResponse {
  return { ...response, headers: { ...securityHeaders, ...response.headers } };
}

/**
 * Answers a request; never throws. What went wrong is told in plain text without patient data; `onDefect` is given what
 * nobody expected.
 */
export async function answer(
  respond: () => Promise<WebResponse>,
  onDefect: (error: unknown) => void,
): Promise<WebResponse> {
  try {
    return await respond();
  } catch (error) {
    return failure(error, onDefect);
  }
}

function failure(error: unknown, onDefect: (error: unknown) => void): WebResponse {
  if (error instanceof WebError) return textResponse(error.status, `${error.message}\n`, error.headers);
  if (error instanceof UndecodableFrame) return textResponse(406, `${error.message}: fetch the instance as it is\n`);
  if (isMirrorError(error)) return mirrorFailure(error);
  onDefect(error);
  return textResponse(500, 'an internal error; nothing was changed\n');
}

function mirrorFailure(error: MirrorError): WebResponse {
  if (error.code === 'vanished') return textResponse(404, `${error.message}\n`);
  if (error.code === 'refused' || error.code === 'not-dicom') return textResponse(406, `${error.message}\n`);
  if (error.disposition === 'retry') return textResponse(503, `${error.message}\n`, { 'retry-after': '5' });
  return textResponse(500, `${error.message}\n`);
}
