/** Makes one change to a server. */

import type { CallOptions } from '../call-options.ts';
import { isMirrorError, MirrorError } from '../errors.ts';
import type { OrthancAnswer } from '../stores/orthanc/answer.ts';
import { parseEtag } from '../stores/orthanc/dicom-attachment.ts';
import type { OrthancCall } from '../stores/orthanc/http-client.ts';
import { attachmentPath, type OpenAttachment } from './attachment-source.ts';
import { bytesOf } from './metadata-value.ts';
import type { ContentChange } from './plan-changes.ts';
import { resourcePath } from './read-options.ts';
import type { StudyServer } from './study-server.ts';

export interface ApplyChangeOptions extends CallOptions {
  readonly attachments: OpenAttachment;
}

/**
 * Writes one change. Throws `changed-meanwhile` if the server holds another
 * revision than expected (409) or the resource is gone (404): read again and plan anew; and what the connection throws.
 */
export async function applyChange(
  server: StudyServer,
  change: ContentChange,
  options: ApplyChangeOptions,
): Promise<void> {
  const base = resourcePath(change.level, change.id);
  const { signal } = options;
  switch (change.kind) {
    case 'put-label':
    case 'delete-label':
      await changeLabel(server, `${base}/labels`, change, signal);
      return;
    case 'protect':
      await send(server, { method: 'PUT', path: `${base}/protected`, body: change.protected ? '1' : '0', signal });
      return;
    case 'put-metadata':
      await putMetadata(server, `${base}/metadata/${change.number}`, change, signal);
      return;
    case 'delete-metadata': {
      const path = `${base}/metadata/${change.number}`;
      await send(server, { method: 'DELETE', path, headers: await revisionOf(server, path, signal), signal });
      return;
    }
    case 'put-attachment':
      await upload(server, change, options);
      return;
    case 'delete-attachment': {
      const path = attachmentPath(change);
      await send(server, { method: 'DELETE', path, headers: await revisionOf(server, `${path}/md5`, signal), signal });
      return;
    }
  }
}

async function changeLabel(
  server: StudyServer,
  path: string,
  { kind, label }: ContentChange & { readonly kind: 'put-label' | 'delete-label' },
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    const method = kind === 'put-label' ? 'PUT' : 'DELETE';
    await send(server, { method, path: `${path}/${encodeURIComponent(label)}`, signal });
  } catch (error) {
    // The usual message names the path, but a label may tell something of a patient.
    if (!isMirrorError(error, 'refused', 'forbidden', 'changed-meanwhile')) throw error;
    const { code, disposition } = error;
    throw new MirrorError(code, `${server.client.name} does not let a label below ${path} be changed`, {
      disposition,
      cause: error,
    });
  }
}

async function putMetadata(
  server: StudyServer,
  path: string,
  { value, replaces }: ContentChange & { readonly kind: 'put-metadata' },
  signal: AbortSignal | undefined,
): Promise<void> {
  const headers = replaces ? await revisionOf(server, path, signal) : {};
  await send(server, { method: 'PUT', path, body: bytesOf(value), headers, signal });
}

async function upload(
  server: StudyServer,
  change: ContentChange & { readonly kind: 'put-attachment' },
  { attachments, signal }: ApplyChangeOptions,
): Promise<void> {
  const path = attachmentPath(change);
  const headers = change.replaces ? await revisionOf(server, `${path}/md5`, signal) : {};
  const { level, id, number, attachment } = change;
  const bytes = await attachments({ level, id, number, ...attachment }, { signal });
  try {
    const { body, sizeBytes } = bytes;
    const call = { method: 'PUT', path, headers, body, sizeBytes, repeatable: false, long: true, signal } as const;
    const answer = await send(server, call);
    const stored = parseEtag(answer.header('etag'))?.md5;
    if (stored !== undefined && stored !== attachment.md5) {
      throw new MirrorError('hash-mismatch', `${server.client.name} stored other bytes than were sent to ${path}`);
    }
  } finally {
    bytes.cancel();
  }
}

/**
 * Makes a call that may be repeated: a change that was made although its answer was lost shows as 409 or 404, and the
 * server is read again.
 */
async function send(server: StudyServer, call: OrthancCall): Promise<OrthancAnswer> {
  const answer = await server.client.request({ repeatable: true, accept: [404, 409], ...call });
  await answer.discard();
  if (answer.status === 404 || answer.status === 409) {
    const what = `something about ${call.path} was changed on ${server.client.name} meanwhile (${answer.status})`;
    throw new MirrorError('changed-meanwhile', `${what}; it is read again`);
  }
  return answer;
}

/** The header that names the revision to be replaced or deleted; none where the server does not want it. */
async function revisionOf(
  { client, capabilities }: StudyServer,
  path: string,
  signal: AbortSignal | undefined,
): Promise<Record<string, string>> {
  if (!capabilities.checkRevisions) return {};
  const answer = await client.request({ method: 'GET', path, accept: [404], signal });
  await answer.discard();
  const etag = answer.header('etag');
  return answer.status === 404 || etag === undefined ? {} : { 'if-match': etag };
}
