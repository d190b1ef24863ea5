/** Fetches secrets from where the configuration says they lie. */
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import * as z from 'zod';
import { environmentVariable } from '../../environment.ts';
import { MirrorError } from '../../errors.ts';
import type { PemRef, SecretRef } from '../server-schema.ts';
import type { FetchSecret } from './secrets-manager.ts';

export interface SecretResolverOptions {
  /** Default: from the Secrets Manager of the AWS environment. */
  readonly fetchSecret?: FetchSecret;
  /** How long a fetched secret is used without asking again; longer only while nothing can be fetched. */
  readonly timeToLiveMs?: number;
  /** Milliseconds since any moment. */
  readonly now?: () => number;
}

export interface SecretResolver {
  /**
   * @param refresh fetch it again even if it is known: the server refused the known one, so it was probably rotated
   * @returns the secret. Throws `configuration` if it is not where the reference says.
   */
  resolve(ref: SecretRef, refresh?: boolean): Promise<string>;
  /** The same for a certificate, which may also stand in the configuration itself. */
  resolvePem(ref: PemRef, refresh?: boolean): Promise<string>;
}

interface CachedSecret {
  /** The last text that was fetched. */
  known: { readonly text: string; readonly fetchedAtMs: number } | undefined;
  /** When it was last asked for, with success or without. */
  askedAtMs: number;
  /** The request under way, which everybody waits for. */
  fetching: Promise<string> | undefined;
}

const usualTimeToLiveMs = 15 * 60_000;
/** Many requests that are refused at once cause one refresh, not one each. */
const refreshAtMostEveryMs = 5_000;
/** While nothing can be fetched, what is known is used no longer than this. */
const longestUseMs = 12 * 3_600_000;

/**
 * Makes a resolver with a cache of what it fetched from Secrets Manager. A failure to fetch takes nothing away: what is
 * known stays in use, or a stranger with a wrong secret could lock out who has the right one. Where nothing is known, a
 * failure is not remembered.
 */
export function secretResolver(options: SecretResolverOptions = {}): SecretResolver {
  const { fetchSecret = loadedFetcher(), timeToLiveMs = usualTimeToLiveMs, now = Date.now } = options;
  const cache = new Map<string, CachedSecret>();

  async function fetchCached(name: string, refresh: boolean): Promise<string> {
    const cached = cache.get(name) ?? { known: undefined, askedAtMs: Number.NEGATIVE_INFINITY, fetching: undefined };
    cache.set(name, cached);
    const { known } = cached;
    if (known === undefined || now() - known.fetchedAtMs >= longestUseMs) return fetchNow(name, cached);
    const wasJustAsked = now() - cached.askedAtMs < Math.min(refreshAtMostEveryMs, timeToLiveMs);
    const isFresh = !refresh && now() - known.fetchedAtMs < timeToLiveMs;
    if (isFresh || (wasJustAsked && cached.fetching === undefined)) return known.text;
    return fetchNow(name, cached).catch(() => known.text);
  }

  function fetchNow(name: string, cached: CachedSecret): Promise<string> {
    if (cached.fetching !== undefined) return cached.fetching;
    cached.askedAtMs = now();
    cached.fetching = fetchSecret(name)
      .then((text) => {
        cached.known = { text, fetchedAtMs: now() };
        return text;
      })
      .finally(() => {
        cached.fetching = undefined;
      });
    return cached.fetching;
  }

  async function resolve(ref: SecretRef, refresh = false): Promise<string> {
    if ('env' in ref) {
      return secretInEnvironment(ref.env);
    }
    if ('file' in ref) {
      return textOfFile(ref.file, 'a secret');
    }
    const text = await fetchCached(ref.secretsManager, refresh);
    return ref.key === undefined ? text : fieldOf(text, ref.key, ref.secretsManager);
  }

  return {
    resolve,
    resolvePem: async (ref, refresh) => {
      if ('pem' in ref) return asCertificate(ref.pem, 'the configuration');
      if ('file' in ref) return asCertificate(await textOfFile(ref.file, 'a certificate'), `the file ${ref.file}`);
      return asCertificate(await resolve(ref, refresh), 'the secret');
    },
  };
}

/** Loads the SDK at the first call, because most configurations outside the cloud name no such secret. */
function loadedFetcher(): FetchSecret {
  let loading: Promise<FetchSecret> | undefined;
  return async (nameOrArn) => {
    loading ??= import('./secrets-manager.ts').then(({ secretsManagerFetcher }) => secretsManagerFetcher());
    return (await loading)(nameOrArn);
  };
}

function secretInEnvironment(name: string): string {
  const value = environmentVariable(name);
  if (value === undefined || value === '') {
    throw new MirrorError('configuration', `The environment variable ${name}, which should hold a secret, is not set.`);
  }
  return value;
}

async function textOfFile(file: string, what: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new MirrorError('configuration', `Cannot read the file ${file}, which should hold ${what}.`, { cause });
  });
  return text.trimEnd();
}

/** A file without a certificate would be accepted in silence, and then nothing be trusted by it. */
function asCertificate(pem: string, where: string): string {
  const certificates = pem.match(/-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----/gs) ?? [];
  try {
    if (certificates.length > 0) for (const one of certificates) new X509Certificate(one);
  } catch {
    throw new MirrorError('configuration', `A certificate in ${where} cannot be read; give it in PEM.`);
  }
  if (certificates.length > 0) return pem;
  const found = pem.includes('PRIVATE KEY') ? 'a private key, not' : 'no';
  throw new MirrorError(
    'configuration',
    `In ${where} there is ${found} certificate in PEM (-----BEGIN CERTIFICATE-----).`,
  );
}

/** The error keeps no cause: what a JSON parser complains about would quote the secret. */
function fieldOf(text: string, key: string, name: string): string {
  const fields = z.record(z.string(), z.unknown()).safeParse(parseJson(text));
  const value = fields.success ? fields.data[key] : undefined;
  if (typeof value !== 'string') {
    throw new MirrorError(
      'configuration',
      `The secret ${name} is not a JSON object with a text under "${key}"; correct it.`,
    );
  }
  return value;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
