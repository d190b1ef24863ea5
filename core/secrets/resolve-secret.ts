/** Fetches secrets from where the configuration says they lie. */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { environmentVariable } from '../config/environment.ts';
import type { PemRef, SecretRef } from '../config/server-schema.ts';
import { MirrorError } from '../errors.ts';

/** Fetches the text of a secret in AWS Secrets Manager. Throws a {@link MirrorError}. */
export type FetchSecret = (nameOrArn: string) => Promise<string>;

export interface SecretResolverOptions {
  readonly fetchSecret: FetchSecret;
  /** How long a fetched secret is used without asking again. */
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
  readonly text: Promise<string>;
  readonly fetchedAtMs: number;
}

const usualTimeToLiveMs = 15 * 60_000;
/** Many requests that are refused at once cause one refresh, not one each. */
const refreshAtMostEveryMs = 5_000;

/** Makes a resolver with a cache of what it fetched from Secrets Manager; failures are not cached. */
export function secretResolver(options: SecretResolverOptions): SecretResolver {
  const { fetchSecret, timeToLiveMs = usualTimeToLiveMs, now = Date.now } = options;
  const cache = new Map<string, CachedSecret>();

  function fetchCached(name: string, refresh: boolean): Promise<string> {
    const known = cache.get(name);
    const maxAgeMs = refresh ? Math.min(refreshAtMostEveryMs, timeToLiveMs) : timeToLiveMs;
    if (known !== undefined && now() - known.fetchedAtMs < maxAgeMs) {
      return known.text;
    }
    const fetched: CachedSecret = { text: fetchSecret(name), fetchedAtMs: now() };
    cache.set(name, fetched);
    fetched.text.catch(() => cache.get(name) === fetched && cache.delete(name));
    return fetched.text;
  }

  async function resolve(ref: SecretRef, refresh = false): Promise<string> {
    if ('env' in ref) {
      return secretInEnvironment(ref.env);
    }
    if ('file' in ref) {
      return secretInFile(ref.file);
    }
    const text = await fetchCached(ref.secretsManager, refresh);
    return ref.key === undefined ? text : fieldOf(text, ref.key, ref.secretsManager);
  }

  return {
    resolve,
    resolvePem: async (ref, refresh) => ('pem' in ref ? ref.pem : resolve(ref, refresh)),
  };
}

function secretInEnvironment(name: string): string {
  const value = environmentVariable(name);
  if (value === undefined || value === '') {
    throw new MirrorError('configuration', `The environment variable ${name}, which should hold a secret, is not set.`);
  }
  return value;
}

async function secretInFile(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new MirrorError('configuration', `Cannot read the file ${file}, which should hold a secret.`, { cause });
  });
  return text.trimEnd();
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
