/** Who may look: everybody on this machine, or who has a password or the token. */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { TokenBucket } from '../../core/cloud/webhook/token-bucket.ts';
import { WebError } from '../../core/open/web/message.ts';
import { isPasswordOf, type User } from './users.ts';

/** What of a request tells who asks. */
export interface Asking {
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Address of the client. */
  readonly address: string;
}

export interface AccessRules {
  readonly users?: ReadonlyMap<string, User> | undefined;
  readonly token?: string | undefined;
  /** Pages of this origin may ask too, such as another viewer's: `https://viewer.example.org`. */
  readonly allowOrigin?: string | undefined;
  /** Milliseconds of a clock that never goes back. */
  readonly nowMs?: (() => number) | undefined;
}

/** Failures of one address: ten at once, then one each six seconds. */
const failures = { burst: 10, perSecond: 1 / 6 };
const mostAddresses = 10_000;
/** Passwords are expensive to try, so few are tried at once. */
const mostTries = 16;
/** A password that was right is not tried again for so long. */
const rememberedMs = 600_000;
const mostRemembered = 1_000;

/** Decides who asks. */
export class AccessControl {
  readonly #rules: AccessRules;
  readonly #nowMs: () => number;
  readonly #failures = new Map<string, TokenBucket>();
  /** Who gave which credentials, by their keyed hash. */
  readonly #remembered = new Map<string, { readonly who: string; readonly untilMs: number }>();
  readonly #key = randomBytes(32);
  #trying = 0;

  constructor(rules: AccessRules) {
    this.#rules = rules;
    this.#nowMs = rules.nowMs ?? (() => performance.now());
  }

  /** Whether nobody is asked who they are. */
  get isOpen(): boolean {
    return this.#rules.users === undefined && this.#rules.token === undefined;
  }

  /** @returns who asks. Throws {@link WebError} 401, 403, 429. */
  async who(asking: Asking): Promise<string> {
    if (this.isOpen) return fromThisMachine(asking, this.#rules.allowOrigin);
    const { authorization } = asking.headers;
    if (authorization === undefined) throw unauthorized();
    const digest = this.#digest(authorization);
    const remembered = this.#remembered.get(digest);
    if (remembered !== undefined && remembered.untilMs > this.#nowMs()) return remembered.who;
    this.#allowTry(asking.address);
    const who = await this.#check(authorization);
    if (who === undefined) {
      this.#bucketOf(asking.address).take();
      throw unauthorized();
    }
    if (this.#remembered.size >= mostRemembered) this.#remembered.clear();
    this.#remembered.set(digest, { who, untilMs: this.#nowMs() + rememberedMs });
    return who;
  }

  /** What tells a browser that a page of another server may read the answer (CORS); nothing to all but one. */
  crossOrigin({ origin }: Asking['headers']): Readonly<Record<string, string>> {
    if (origin === undefined || origin !== this.#rules.allowOrigin) return {};
    return {
      'access-control-allow-origin': origin,
      'access-control-allow-headers': 'Accept, Authorization, Content-Type',
      'access-control-allow-methods': 'GET, HEAD, POST',
      'access-control-expose-headers': 'Content-Type, Warning',
      'cross-origin-resource-policy': 'cross-origin',
      vary: 'Origin',
    };
  }

  #allowTry(address: string): void {
    if (this.#failures.get(address)?.isEmpty() === true || this.#trying >= mostTries) {
      throw new WebError(429, 'too many tries: wait a minute', { 'retry-after': '60' });
    }
  }

  #bucketOf(address: string): TokenBucket {
    const bucket = this.#failures.get(address) ?? new TokenBucket({ ...failures, now: this.#nowMs });
    if (this.#failures.size >= mostAddresses) this.#failures.clear();
    this.#failures.set(address, bucket);
    return bucket;
  }

  async #check(authorization: string): Promise<string | undefined> {
    const [, scheme = '', value = ''] = /^(\w+) +([\w+/=.~-]+) *$/.exec(authorization) ?? [];
    if (scheme.toLowerCase() === 'bearer') return this.#isToken(value) ? 'token' : undefined;
    if (scheme.toLowerCase() !== 'basic') return undefined;
    const [, name = '', password = ''] = /^([^:]*):(.*)$/s.exec(Buffer.from(value, 'base64').toString('utf8')) ?? [];
    this.#trying += 1;
    try {
      return (await isPasswordOf(this.#rules.users?.get(name), password)) ? name : undefined;
    } finally {
      this.#trying -= 1;
    }
  }

  #isToken(given: string): boolean {
    const { token } = this.#rules;
    if (token === undefined) return false;
    return timingSafeEqual(Buffer.from(this.#digest(given), 'hex'), Buffer.from(this.#digest(token), 'hex'));
  }

  #digest(text: string): string {
    return createHmac('sha256', this.#key).update(text).digest('hex');
  }
}

/**
 * Without a password only pages of our own may ask: a page from elsewhere could have its name point to this machine, or
 * have the browser ask for it.
 */
function fromThisMachine({ headers }: Asking, allowOrigin: string | undefined): string {
  const host = (headers.host ?? '').replace(/:\d+$/, '').toLowerCase();
  if (!['127.0.0.1', 'localhost', '[::1]'].includes(host)) {
    throw new WebError(403, 'without a password this is answered under the names 127.0.0.1 and localhost only');
  }
  const isForeign = ['cross-site', 'same-site'].includes(headers['sec-fetch-site'] ?? '');
  const isAllowed = headers['sec-fetch-mode'] === 'navigate' || (headers.origin ?? '') === allowOrigin;
  if (isForeign && !isAllowed) throw new WebError(403, 'another page may not ask here');
  return 'loopback';
}

function unauthorized(): WebError {
  return new WebError(401, 'a user and password, or the token, are needed', {
    'www-authenticate': 'Basic realm="orthanc-mirror archive", charset="UTF-8"',
  });
}
