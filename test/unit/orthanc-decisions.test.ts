/** The pure decisions of the Orthanc store, as tables. */
import { describe, expect, it } from 'vitest';
import { MirrorError } from '../../core/errors.ts';
import { parseOrthancUrl } from '../../core/stores/orthanc/address.ts';
import { parseCapabilities } from '../../core/stores/orthanc/capabilities.ts';
import { parseEtag } from '../../core/stores/orthanc/dicom-attachment.ts';
import { codeOfStatus, errorOfTransport, parseRetryAfter } from '../../core/stores/orthanc/failures.ts';
import { fullJitter } from '../../core/stores/orthanc/retry.ts';

describe('an address', () => {
  it.each([
    ['http://localhost:8042', 'http://localhost:8042', undefined],
    ['http://localhost:8042/', 'http://localhost:8042', undefined],
    [' https://host.example/orthanc/ ', 'https://host.example/orthanc', undefined],
    ['http://alice:s%40cret@host/', 'http://host', { username: 'alice', password: 's@cret' }],
    ['http://alice:100%@host', 'http://host', { username: 'alice', password: '100%' }],
  ])('is read from %j', (text, url, credentials) => {
    const address = parseOrthancUrl(text);
    expect(address).toMatchObject({ url, credentials });
    expect(address.warnings).toHaveLength(credentials === undefined ? 0 : 1);
    expect(address.warnings.join()).not.toMatch(/alice|s@cret|100%/);
  });

  it.each(['', 'localhost:8042', 'ftp://alice:secret@host/', 'http://alice:secret@host/?a=1'])('is not %j', (text) => {
    expect(() => parseOrthancUrl(text)).toThrow(MirrorError);
    expect(() => parseOrthancUrl(text)).not.toThrow(/secret/);
  });
});

describe('a status', () => {
  it.each([
    [302, 'not-orthanc'],
    [400, 'refused'],
    [401, 'unauthorized'],
    [403, 'forbidden'],
    [404, 'vanished'],
    [405, 'read-only'],
    [409, 'busy'],
    [429, 'busy'],
    [500, 'server-error'],
    [502, 'server-error'],
    [503, 'busy'],
    [504, 'server-error'],
    [507, 'full'],
  ] as const)('%i means %s', (status, code) => {
    expect(codeOfStatus(status)).toBe(code);
  });
});

describe('a failure of the connection', () => {
  it.each([
    ['ECONNREFUSED', 'unreachable'],
    ['UND_ERR_HEADERS_TIMEOUT', 'unreachable'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'tls-untrusted'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'tls-untrusted'],
    ['UND_ERR_RES_CONTENT_LENGTH_MISMATCH', 'body-short'],
    ['HPE_INVALID_CONSTANT', 'server-error'],
  ] as const)('%s means %s', (code, expected) => {
    const cause = Object.assign(new Error('secret'), { code });
    const wrapped = new AggregateError([cause]);
    for (const error of [errorOfTransport('target', cause), errorOfTransport('target', wrapped)]) {
      expect(error.code).toBe(expected);
      expect(error.message).toMatch(/^target/);
      expect(error.message).not.toMatch(/secret/);
    }
  });
});

describe('the wait before the next try', () => {
  const busy = (retryAfterMs?: number) =>
    new MirrorError('busy', '', retryAfterMs === undefined ? {} : { retryAfterMs });
  it.each([
    [busy(), 1, 0, 0],
    [busy(), 1, 0.5, 125],
    [busy(), 2, 0.5, 250],
    [busy(), 3, 0.5, 500],
    [busy(), 4, 0.5, undefined],
    [busy(2000), 1, 0.5, 2125],
    [busy(60_000), 1, 0.5, undefined],
    [new MirrorError('refused', ''), 1, 0.5, undefined],
    [new MirrorError('unauthorized', ''), 1, 0.5, undefined],
  ])('%# is as the policy says', (error, attempt, random, expected) => {
    expect(fullJitter(error, attempt, random)).toBe(expected);
  });

  it.each([
    [undefined, undefined],
    ['3', 3000],
    ['Thu, 01 Jan 1970 00:00:05 GMT', 4000],
    ['soon', undefined],
  ])('is asked for by Retry-After: %s', (header, expected) => {
    expect(parseRetryAfter(header, 1000)).toBe(expected);
  });
});

describe('an ETag', () => {
  const md5 = 'e001bc06a74db0697c1304bbbafebd2a';
  it.each([
    [`"0-${md5}"`, { md5 }],
    [`W/"12-${md5}"`, { md5 }],
    ['"0-"', { md5: undefined }],
    ['"0"', undefined],
    [undefined, undefined],
    [`"${md5}"`, undefined],
  ])('%s tells what it can', (etag, expected) => {
    expect(parseEtag(etag)).toEqual(expected);
  });
});

describe('what a server can', () => {
  it('is read from the answer of 0.9.5, which tells next to nothing', () => {
    const old = parseCapabilities({ Name: 'Orthanc', Version: '0.9.5', DatabaseVersion: '6' });
    expect(old).toMatchObject({
      version: '0.9.5',
      apiVersion: 0,
      hasExtendedFind: false,
      hasAttachmentInfo: false,
      hasPatientLevel: true,
      overwriteMode: undefined,
      databaseVersion: 6,
    });
  });

  it('is read from answers with a decimal ApiVersion and of a development build', () => {
    expect(parseCapabilities({ Version: '1.5.4', ApiVersion: 1.3 }).hasAttachmentInfo).toBe(false);
    const mainline = parseCapabilities({
      Version: 'mainline',
      ApiVersion: 31,
      OverwriteInstances: true,
      OverwriteInstancesMode: 'IfChanged',
      Capabilities: { HasExtendedFind: true },
    });
    expect(mainline).toMatchObject({ hasExtendedFind: true, hasAttachmentInfo: true, overwriteMode: 'if-changed' });
  });
});
