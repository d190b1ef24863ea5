import { describe, expect, it } from 'vitest';
import { MirrorError } from '../../core/errors.ts';
import { folderError } from '../../core/stores/archive/folder-errors.ts';
import { s3Error } from '../../core/stores/archive/s3-errors.ts';

const fromSdk = (name: string, httpStatusCode?: number) =>
  Object.assign(new Error('secret detail'), { name, $metadata: { httpStatusCode } });
const fromSystem = (code: string) => Object.assign(new Error('secret detail'), { code });

describe('an error of S3', () => {
  it.each([
    [fromSdk('AccessDenied', 403), 'forbidden', 'halt'],
    [fromSdk('InvalidAccessKeyId', 403), 'unauthorized', 'halt'],
    [fromSdk('CredentialsProviderError'), 'unauthorized', 'halt'],
    [fromSdk('NoSuchBucket', 404), 'configuration', 'halt'],
    [fromSdk('SlowDown', 503), 'busy', 'retry'],
    [fromSdk('Unknown', 503), 'busy', 'retry'],
    [fromSdk('ConditionalRequestConflict', 409), 'busy', 'retry'],
    [fromSdk('InternalError', 500), 'server-error', 'retry'],
    [fromSdk('TimeoutError'), 'unreachable', 'retry'],
    [fromSdk('BadDigest', 400), 'hash-mismatch', 'retry'],
    [fromSdk('XMinioStorageFull', 507), 'full', 'halt'],
    [fromSdk('NotImplemented', 501), 'configuration', 'halt'],
    [fromSystem('ECONNREFUSED'), 'unreachable', 'retry'],
    [fromSystem('ECONNRESET'), 'unreachable', 'retry'],
    [fromSystem('ENOTFOUND'), 'unreachable', 'retry'],
    [fromSystem('DEPTH_ZERO_SELF_SIGNED_CERT'), 'tls-untrusted', 'halt'],
    [new Error('Region is missing'), 'configuration', 'halt'],
    [new Error('something else'), 'server-error', 'retry'],
  ])('%o means %s', (error, code, disposition) => {
    const translated = s3Error('the archive', error);
    expect(translated).toMatchObject({ code, disposition, cause: error });
    expect(translated.message).toMatch(/^the archive: /);
    expect(translated.message).not.toContain('secret');
  });

  it('is that of the signal if that was aborted', () => {
    const deadline = new MirrorError('deadline', 'the time is over');
    expect(s3Error('the archive', fromSdk('AbortError'), AbortSignal.abort(deadline))).toBe(deadline);
    expect(s3Error('the archive', fromSdk('AbortError'), AbortSignal.abort()).code).toBe('interrupted');
  });
});

describe('an error of the file system', () => {
  it.each([
    ['ENOSPC', 'full', 'halt'],
    ['EDQUOT', 'full', 'halt'],
    ['EACCES', 'forbidden', 'halt'],
    ['EROFS', 'read-only', 'halt'],
    ['ENOENT', 'configuration', 'halt'],
    ['ENOTSUP', 'configuration', 'halt'],
    ['EMFILE', 'busy', 'retry'],
    ['EIO', 'server-error', 'retry'],
  ])('%s means %s', (errno, code, disposition) => {
    const error = fromSystem(errno);
    expect(folderError('the archive', error)).toMatchObject({ code, disposition, cause: error });
  });

  it('is left alone if it is none', () => {
    const ours = new MirrorError('body-short', 'short');
    const bug = new TypeError('a bug');
    expect([folderError('x', ours), folderError('x', bug)]).toEqual([ours, bug]);
  });
});
