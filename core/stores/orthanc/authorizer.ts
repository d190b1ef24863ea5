import type { Authorization, AuthorizationHeaders, Credentials } from './connection.ts';

/** Keeps the headers by which a server recognises us, and fetches them anew when the server refuses them. */
export class Authorizer {
  readonly #credentials: Credentials;
  #headers: Promise<AuthorizationHeaders> | undefined;
  #refreshing: Promise<AuthorizationHeaders> | undefined;

  constructor(authorization: Authorization | Credentials | undefined) {
    this.#credentials = typeof authorization === 'function' ? authorization : constantCredentials(authorization);
  }

  /** Throws what the credentials throw. */
  headers(): Promise<AuthorizationHeaders> {
    this.#headers ??= this.#credentials(false).catch((error: unknown) => {
      this.#headers = undefined;
      throw error;
    });
    return this.#headers;
  }

  /**
   * The server refused `refused`: @returns whether other headers are known now. Many requests that are refused at
   * once cause one refresh. Throws what the credentials throw.
   */
  async replace(refused: AuthorizationHeaders): Promise<boolean> {
    if (!equal(await this.headers(), refused)) return true;
    this.#refreshing ??= this.#credentials(true).finally(() => {
      this.#refreshing = undefined;
    });
    const fresh = await this.#refreshing;
    this.#headers = Promise.resolve(fresh);
    return !equal(fresh, refused);
  }
}

function constantCredentials(authorization: Authorization | undefined): Credentials {
  const headers = headersOf(authorization);
  return () => Promise.resolve(headers);
}

function headersOf(authorization: Authorization | undefined): AuthorizationHeaders {
  if (authorization === undefined) return {};
  if ('bearer' in authorization) return { authorization: `Bearer ${authorization.bearer}` };
  if ('headers' in authorization) return authorization.headers;
  const pair = Buffer.from(`${authorization.username}:${authorization.password}`, 'utf8');
  return { authorization: `Basic ${pair.toString('base64')}` };
}

function equal(a: AuthorizationHeaders, b: AuthorizationHeaders): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}
