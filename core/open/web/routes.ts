/** Finds who answers a request. */
import { WebError, type WebRequest, type WebResponse } from './message.ts';

/** The parts of the path that its pattern names, decoded. */
export type PathParts = Readonly<Record<string, string>>;
export type Handler = (request: WebRequest, parts: PathParts) => Promise<WebResponse> | WebResponse;

interface Route {
  readonly method: string;
  readonly pattern: readonly string[];
  readonly handler: Handler;
}

/** Longest path that any of our clients needs. */
const longestPath = 4096;

export class Routes {
  readonly #routes: Route[] = [];

  /**
   * @param pattern segments joined by slashes; one in braces, `{study}`, matches any and gives it that name; `{path*}` at
   *   the end matches one or more, joined by slashes
   */
  on(method: string, pattern: string, handler: Handler): this {
    this.#routes.push({ method, pattern: pattern.split('/').slice(1), handler });
    return this;
  }

  /** Answers a request. Throws {@link WebError} 404, 405 (with `Allow`), 400 for a path that cannot be read. */
  async answer(request: WebRequest): Promise<WebResponse> {
    const segments = segmentsOf(request.path);
    const method = request.method === 'HEAD' ? 'GET' : request.method;
    const allowed = new Set<string>();
    for (const { method: wanted, pattern, handler } of this.#routes) {
      const parts = matched(pattern, segments);
      if (parts === undefined) continue;
      if (wanted === method) return handler(request, parts);
      allowed.add(wanted);
    }
    if (allowed.size === 0) throw new WebError(404, 'there is nothing at this address');
    const allow = [...allowed].join(', ');
    throw new WebError(405, `the archive is read-only: ${allow} only`, { allow });
  }
}

function segmentsOf(path: string): readonly string[] {
  if (path.length > longestPath) throw new WebError(414, 'the address is too long');
  try {
    return path.split('/').slice(1).map(decodeURIComponent);
  } catch {
    throw new WebError(400, 'the address is not percent-encoded UTF-8');
  }
}

function matched(pattern: readonly string[], segments: readonly string[]): PathParts | undefined {
  const isOpen = pattern.at(-1)?.endsWith('*}') === true;
  if (isOpen ? segments.length < pattern.length : segments.length !== pattern.length) return undefined;
  const parts: Record<string, string> = {};
  for (const [index, wanted] of pattern.entries()) {
    const segment = segments[index] ?? '';
    if (wanted.endsWith('*}')) parts[wanted.slice(1, -2)] = segments.slice(index).join('/');
    else if (wanted.startsWith('{')) parts[wanted.slice(1, -1)] = segment;
    else if (wanted !== segment) return undefined;
  }
  return parts;
}
