/** How an Orthanc server is reached. Plain options: whoever reads configuration or a command line makes them. */

import type { ServerLimits } from './bounds.ts';
import type { EgressRules } from './egress-guard.ts';

/** HTTP headers by which a server recognises us; names in lower case. */
export type AuthorizationHeaders = Readonly<Record<string, string>>;

/**
 * Gives the headers by which the server recognises us. With `refresh` it fetches its secrets again, because the
 * server refused the known ones: how a secret is rotated without a restart.
 */
export type Credentials = (refresh: boolean) => Promise<AuthorizationHeaders>;

/** A user and a password, a token for `Authorization: Bearer`, or any headers (e.g. of the authorization plugin). */
export type Authorization =
  | { readonly username: string; readonly password: string }
  | { readonly bearer: string }
  | { readonly headers: AuthorizationHeaders };

/** Certificates and keys in PEM. The public authorities are trusted beside `ca`; verification cannot be switched off. */
export interface TlsOptions {
  /** Certificate of a private authority that signed the server's certificate. */
  readonly ca?: string | undefined;
  /** Our certificate (chain) and key, where the server wants one. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly passphrase?: string | undefined;
  /** The name in the server's certificate, where it is not the host of the URL. */
  readonly servername?: string | undefined;
}

export interface Timeouts {
  /** Until a connection stands, TLS included. */
  readonly connectMs: number;
  /** Until a query is answered. */
  readonly queryMs: number;
  /** Until a long listing or an upload is answered, counted from the last byte that the server took. */
  readonly longMs: number;
  /** Between two pieces of an answer's body. */
  readonly bodyMs: number;
}

export interface OrthancConnection {
  /** Address of the REST API, a base path included: `https://host/orthanc/`. Holds no credentials. */
  readonly url: string;
  /** How the server is called in messages; its address when absent. */
  readonly name?: string | undefined;
  readonly authorization?: Authorization | Credentials | undefined;
  readonly tls?: TlsOptions | undefined;
  /** Most connections at once. Default 40. */
  readonly maxConnections?: number | undefined;
  readonly timeouts?: Partial<Timeouts> | undefined;
  /** What is read from the server at most, and how slow it may be. */
  readonly limits?: Partial<ServerLimits> | undefined;
  /** Which addresses the server may have; absent: any. */
  readonly egress?: EgressRules | undefined;
}

/** Each connection holds a thread of the server; Orthanc has 50 (`HttpThreadsCount`), and users need the others. */
export const defaultMaxConnections = 40;

/** A server on slow disks may think for minutes about a listing of millions; no query of one resource takes one. */
export const defaultTimeouts: Timeouts = { connectMs: 10_000, queryMs: 60_000, longMs: 300_000, bodyMs: 60_000 };
