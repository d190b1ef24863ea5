/** The REST interface over `fetch`, with a count of the requests: for tests of what is done with it. */
import { MirrorError } from '../../core/errors.ts';
import type { Rest, RestAnswer, RestRequest, SizedBytes } from '../../core/studies/rest.ts';

export class FetchRest implements Rest {
  readonly name: string;
  /** `METHOD path` of every request since {@link forget}. */
  readonly requests: string[] = [];
  readonly #url: string;

  constructor(url: string, name = url) {
    this.#url = url;
    this.name = name;
  }

  forget(): void {
    this.requests.length = 0;
  }

  async request({ method, path, body, ifMatch, signal }: RestRequest): Promise<RestAnswer> {
    this.requests.push(`${method} ${path}`);
    const headers = ifMatch === undefined ? {} : { 'If-Match': ifMatch };
    const sent = typeof body === 'string' ? body : body && Buffer.from(body);
    const response = await fetch(this.#url + path, {
      method,
      headers,
      ...(sent === undefined ? {} : { body: sent }),
      ...(signal === undefined ? {} : { signal }),
    }).catch((cause: unknown) => {
      throw new MirrorError('unreachable', `${this.name} does not answer`, { cause });
    });
    const bytes = Buffer.from(await response.arrayBuffer());
    if (![200, 404, 405, 409].includes(response.status)) {
      throw new MirrorError('server-error', `${this.name} answered ${response.status} to ${method} ${path}`);
    }
    return { status: response.status, etag: response.headers.get('etag') ?? undefined, body: bytes };
  }

  async open(path: string): Promise<SizedBytes> {
    const { status, body } = await this.request({ method: 'GET', path });
    if (status !== 200) throw new MirrorError('vanished', `${this.name} answered ${status} to GET ${path}`);
    return { sizeBytes: body.length, body: inOnePiece(body), cancel: () => undefined };
  }

  async upload(path: string, bytes: SizedBytes, options: { readonly ifMatch?: string | undefined } = {}) {
    return this.request({
      method: 'PUT',
      path,
      body: Buffer.concat(await Array.fromAsync(bytes.body)),
      ifMatch: options.ifMatch,
    });
  }
}

async function* inOnePiece(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
