/** Callers of the function URL who have tokens of an issuer: who gets through, and who does not. */
import { createHmac } from 'node:crypto';
import { createServer } from 'node:http';
import { exportJWK, exportSPKI, generateKeyPair, SignJWT } from 'jose';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TokenIssuer } from '../../core/open/web/token-issuer.ts';
import { archiveRequestOf } from '../../lambdas/open-event.ts';

const audience = 'archive-readers';
const keys = await generateKeyPair('RS256', { extractable: true });
const othersKeys = await generateKeyPair('RS256');

/** An issuer that can be taken away, or made to tell something else. */
async function startIssuer() {
  const asked: string[] = [];
  const told: { name?: string; status?: number } = {};
  const jwk = { ...(await exportJWK(keys.publicKey)), kid: 'first', use: 'sig', alg: 'RS256' };
  const server = createServer(({ url = '' }, response) => {
    asked.push(url);
    response.statusCode = told.status ?? 200;
    const isKeys = url === '/pool/keys';
    response.end(
      JSON.stringify(isKeys ? { keys: [jwk] } : { issuer: told.name ?? issuer, jwks_uri: `${issuer}/keys` }),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const issuer = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/pool`;
  const close = () => new Promise((resolve) => server.closeAllConnections() ?? server.close(resolve));
  return { issuer, asked, told, close };
}

let site: Awaited<ReturnType<typeof startIssuer>>;
beforeEach(async () => {
  site = await startIssuer();
});
afterEach(() => site.close());

const nowSeconds = () => Math.floor(Date.now() / 1000);
const usualClaims = () => ({ iss: site.issuer, aud: audience, sub: 'user-1', exp: nowSeconds() + 600 });

/** A token of the issuer, unless told otherwise; a claim that is `undefined` is left out. */
function token(
  claims: Readonly<Record<string, unknown>> = {},
  { key = keys.privateKey, kid = 'first' } = {},
): Promise<string> {
  return new SignJWT({ ...usualClaims(), ...claims }).setProtectedHeader({ alg: 'RS256', kid }).sign(key);
}

/** A token put together by hand, with a signature that suits its header as far as its maker can make one. */
function handmade(header: object, sign: (signed: string) => string, claims: object = {}): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part(header)}.${part({ ...usualClaims(), ...claims })}`;
  return `${signed}.${sign(signed)}`;
}

const issuerOf = (require: Readonly<Record<string, string>> = {}) =>
  new TokenIssuer({ issuer: site.issuer, audience, require });

describe('gets through, known by its subject', () => {
  test('a token that the issuer signed for the audience', async () => {
    expect(await issuerOf().who(`Bearer ${await token()}`)).toBe('user-1');
  });

  test('one for several audiences', async () => {
    expect(await issuerOf().who(`bearer ${await token({ aud: ['others', audience] })}`)).toBe('user-1');
  });

  test('an access token of Cognito, which tells the client instead of an audience', async () => {
    expect(await issuerOf().who(`Bearer ${await token({ aud: undefined, client_id: audience })}`)).toBe('user-1');
  });

  test.each([
    ['a list', ['radiology', 'admins']],
    ['words', 'openid radiology'],
    ['a text', 'radiology'],
  ])('one with the claim that is required, as %s', async (_form, groups) => {
    const issuer = issuerOf({ groups: 'radiology' });
    expect(await issuer.who(`Bearer ${await token({ groups })}`)).toBe('user-1');
  });
});

describe('is refused, and learns nothing', () => {
  const cases: readonly (readonly [string, () => Promise<string | undefined> | string | undefined])[] = [
    ['no token', () => undefined],
    ['a password', () => 'Basic dXNlcjpwYXNz'],
    ['what is no token', () => 'Bearer hello'],
    ['a token of another key', async () => `Bearer ${await token({}, { key: othersKeys.privateKey })}`],
    ['one of a key that the issuer does not tell', async () => `Bearer ${await token({}, { kid: 'unknown' })}`],
    ['one that is over', async () => `Bearer ${await token({ exp: nowSeconds() - 3_600 })}`],
    ['one that never ends', async () => `Bearer ${await token({ exp: undefined })}`],
    ['one that does not hold yet', async () => `Bearer ${await token({ nbf: nowSeconds() + 3_600 })}`],
    ['one for others', async () => `Bearer ${await token({ aud: 'others' })}`],
    [
      'one for others whose client is ours',
      async () => `Bearer ${await token({ aud: 'others', client_id: audience })}`,
    ],
    ['one for nobody', async () => `Bearer ${await token({ aud: undefined })}`],
    ['one of another issuer', async () => `Bearer ${await token({ iss: 'https://evil.example.org' })}`],
    ['one of nobody', async () => `Bearer ${await token({ sub: undefined })}`],
    ['one whose subject would break a log', async () => `Bearer ${await token({ sub: 'anna\n{"who":"root"}' })}`],
    ['an unsigned one', () => `Bearer ${handmade({ alg: 'none' }, () => '')}`],
    ['an unsigned one that names a key', () => `Bearer ${handmade({ alg: 'none', kid: 'first' }, () => '')}`],
    [
      'one signed with the public key as if it were a shared secret',
      async () => {
        const secret = await exportSPKI(keys.publicKey);
        const sign = (signed: string) => createHmac('sha256', secret).update(signed).digest('base64url');
        return `Bearer ${handmade({ alg: 'HS256', kid: 'first' }, sign)}`;
      },
    ],
    [
      'one that brings its own key',
      async () => {
        const jwk = await exportJWK(othersKeys.publicKey);
        const header = { alg: 'RS256', jwk, jku: 'https://evil.example.org/keys' };
        return `Bearer ${await new SignJWT(usualClaims()).setProtectedHeader(header).sign(othersKeys.privateKey)}`;
      },
    ],
    [
      'one whose subject was changed',
      async () => {
        const [header, , signature] = (await token()).split('.');
        const claims = Buffer.from(JSON.stringify({ ...usualClaims(), sub: 'user-2' })).toString('base64url');
        return `Bearer ${header}.${claims}.${signature}`;
      },
    ],
    ['one of a megabyte', () => `Bearer ${'x'.repeat(500_000)}.${'y'.repeat(500_000)}.z`],
  ];

  test.each(cases)('%s', async (_what, make) => {
    await expect(issuerOf().who(await make())).rejects.toMatchObject({ status: 401 });
  });

  test('one without the claim that is required', async () => {
    const issuer = issuerOf({ 'cognito:groups': 'radiology' });
    const made = await token({ 'cognito:groups': ['radiology-trainees'] });
    await expect(issuer.who(`Bearer ${made}`)).rejects.toMatchObject({ status: 401 });
    await expect(issuer.who(`Bearer ${await token()}`)).rejects.toMatchObject({ status: 401 });
  });
});

describe('the keys of the issuer', () => {
  test('are fetched once for many callers', async () => {
    const issuer = issuerOf();
    for (const sub of ['user-1', 'user-2', 'user-3']) {
      expect(await issuer.who(`Bearer ${await token({ sub })}`)).toBe(sub);
    }
    expect(site.asked).toEqual(['/pool/.well-known/openid-configuration', '/pool/keys']);
  });

  test('are not fetched again and again for tokens of keys that there are not', async () => {
    const issuer = issuerOf();
    await issuer.who(`Bearer ${await token()}`);
    for (const kid of ['a', 'b', 'c']) {
      await expect(issuer.who(`Bearer ${await token({}, { kid })}`)).rejects.toMatchObject({ status: 401 });
    }
    expect(site.asked).toHaveLength(2);
  });

  test('decide nobody while they cannot be fetched, and are asked for again', async () => {
    const issuer = issuerOf();
    site.told.status = 500;
    await expect(issuer.who(`Bearer ${await token()}`)).rejects.toMatchObject({ status: 503 });
    site.told.status = 200;
    expect(await issuer.who(`Bearer ${await token()}`)).toBe('user-1');
  });

  test('count only if they are those of the issuer that was configured', async () => {
    site.told.name = 'https://evil.example.org';
    await expect(issuerOf().who(`Bearer ${await token()}`)).rejects.toMatchObject({ status: 503 });
  });
});

describe('a request to the function', () => {
  const eventOf = (headers: Readonly<Record<string, string>>, authorizer?: unknown) => ({
    rawPath: '/main/dicom-web/studies',
    headers,
    requestContext: { http: { method: 'GET' }, domainName: 'example.lambda-url', authorizer },
  });
  const { signal } = new AbortController();

  test('is that of the subject of its token', async () => {
    const event = eventOf({ authorization: `Bearer ${await token()}` });
    expect(await archiveRequestOf(event, issuerOf(), signal)).toMatchObject({ who: 'user-1', mirror: 'main' });
  });

  test('is refused without a token, whatever it says of IAM', async () => {
    const event = eventOf({}, { iam: { userArn: 'arn:aws:iam::000000000000:root' } });
    await expect(archiveRequestOf(event, issuerOf(), signal)).rejects.toMatchObject({ status: 401 });
  });

  test('is refused with a token where callers sign for IAM', async () => {
    const event = eventOf({ authorization: `Bearer ${await token()}` });
    await expect(archiveRequestOf(event, undefined, signal)).rejects.toMatchObject({ status: 403 });
  });
});
