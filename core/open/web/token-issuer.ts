/**
 * Callers who prove by a token who they are: of an OpenID Connect issuer, such as a user pool of Cognito (OpenID Connect
 * Discovery 1.0; RFC 7519; RFC 8725, which says what must be checked).
 */
import { createRemoteJWKSet, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';
import * as z from 'zod';
import { WebError } from './message.ts';

export interface TokenRules {
  /** Who signs, as its tokens name it: an address of HTTPS. */
  readonly issuer: string;
  /** For whom it signs: the tokens of its other clients are refused. */
  readonly audience: string;
  /** Values of claims that a token must have, such as a group; where a claim has several values, one of them. */
  readonly require: Readonly<Record<string, string>>;
}

/** Signatures by keys of which only the issuer has the private half; never `none`, never a shared secret. */
const algorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'];
/** By which the clocks of two machines may differ. */
const clockToleranceSeconds = 60;
const longestTokenCharacters = 8 << 10;
const discoveryTimeoutMs = 5_000;

/** Failures of ours or of the issuer, not of the token. */
const issuerFailures: ReadonlySet<string> = new Set(['ERR_JOSE_GENERIC', 'ERR_JWKS_INVALID', 'ERR_JWKS_TIMEOUT']);

const discoverySchema = z.object({ issuer: z.string(), jwks_uri: z.url({ protocol: /^https?$/ }) });
/** What a log can hold without a doubt (RFC 7519, 4.1.2, has it any text). */
const subjectSchema = z.string().regex(/^[\x21-\x7e]{1,255}$/);

/** Knows callers by the tokens of one issuer. Its keys are fetched when they are first needed, and kept. */
export class TokenIssuer {
  readonly #rules: TokenRules;
  #keys: Promise<JWTVerifyGetKey> | undefined;

  constructor(rules: TokenRules) {
    this.#rules = rules;
  }

  /**
   * @returns the subject of the token in an `Authorization` header. Throws {@link WebError} 401 for every other header,
   * 503 while the keys of the issuer cannot be fetched.
   */
  async who(authorization: string | undefined): Promise<string> {
    const [, token = ''] = /^bearer +([\w.-]+) *$/i.exec(authorization?.slice(0, longestTokenCharacters) ?? '') ?? [];
    const claims = await this.#verify(token);
    const subject = subjectSchema.safeParse(claims.sub);
    if (!subject.success || !this.#isForUs(claims)) throw unauthorized();
    return subject.data;
  }

  async #verify(token: string): Promise<JWTPayload> {
    if (token === '') throw unauthorized();
    const { issuer } = this.#rules;
    const keys = await this.#keysOfIssuer();
    try {
      const options = { issuer, algorithms, requiredClaims: ['exp', 'sub'], clockTolerance: clockToleranceSeconds };
      return (await jwtVerify(token, keys, options)).payload;
    } catch (cause) {
      const isTokens = cause instanceof errors.JOSEError && !issuerFailures.has(cause.code);
      throw isTokens ? unauthorized() : issuerUnreachable();
    }
  }

  /** Cognito tells the client of an access token by `client_id`, where others have `aud` (as API Gateway reads it). */
  #isForUs(claims: JWTPayload): boolean {
    const { audience, require } = this.#rules;
    const isMeant = valuesOf(claims.aud ?? claims.client_id).includes(audience);
    const isFit = Object.entries(require).every(([name, value]) => valuesOf(claims[name]).includes(value));
    return isMeant && isFit;
  }

  #keysOfIssuer(): Promise<JWTVerifyGetKey> {
    this.#keys ??= discoverKeys(this.#rules.issuer).catch((error: unknown) => {
      this.#keys = undefined;
      throw error;
    });
    return this.#keys;
  }
}

/** Asks the issuer where its keys are. Later on they are fetched again when a token names one that is not known. */
async function discoverKeys(issuer: string): Promise<JWTVerifyGetKey> {
  try {
    const answer = await fetch(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, {
      redirect: 'error',
      signal: AbortSignal.timeout(discoveryTimeoutMs),
    });
    const found = discoverySchema.parse(await answer.json());
    const address = new URL(found.jwks_uri);
    // Another issuer behind this address, or keys that come unencrypted: its signatures would prove nothing.
    if (found.issuer !== issuer || address.protocol !== new URL(issuer).protocol) throw issuerUnreachable();
    return createRemoteJWKSet(address);
  } catch {
    throw issuerUnreachable();
  }
}

/** A list, or words with blanks between them as in `scope`. */
function valuesOf(claim: unknown): readonly unknown[] {
  return Array.isArray(claim) ? claim : typeof claim === 'string' ? [claim, ...claim.split(' ')] : [];
}

function unauthorized(): WebError {
  return new WebError(401, 'a valid token of the configured issuer is needed: Authorization: Bearer …', {
    'www-authenticate': 'Bearer',
  });
}

function issuerUnreachable(): WebError {
  return new WebError(503, 'the issuer of the tokens tells no keys now: nobody can be known', { 'retry-after': '30' });
}
