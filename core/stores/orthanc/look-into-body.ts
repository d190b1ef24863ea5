import { IdentifierReader } from '../../dicom/identifier-reader.ts';
import type { IdentifyingElements } from '../../dicom/identifying-elements.ts';
import { identifyingElementsOfFinal } from '../hashed-bytes.ts';
import type { InstanceBytes } from '../store.ts';

/** What stands before the identifiers of a file is held in memory up to this size; in real files it is some KiB. */
const mostAheadBytes = 16 * 1024 * 1024;

/** A body whose beginning was read. */
export interface ExaminedBody {
  /** What identifies the file; `undefined` if it is no DICOM instance, or does not tell within its first 16 MiB. */
  readonly elements: IdentifyingElements | undefined;
  /** All of it, once. */
  readonly body: InstanceBytes;
  /** Gives the body up, without waiting for it. Must be called if `body` is not read to its end; harmless otherwise. */
  release(): void;
}

/** Reads a body as far as its identifiers reach, before anything of it is sent. Throws what the body throws. */
export async function lookIntoBody(body: InstanceBytes): Promise<ExaminedBody> {
  if (body instanceof Uint8Array) {
    return { elements: identifyingElementsOfFinal(body), body, release: () => undefined };
  }
  const iterator = body[Symbol.asyncIterator]();
  const release = () => void iterator.return?.().catch(() => undefined);
  const ahead: Uint8Array[] = [];
  const reader = new IdentifierReader();
  for (let bytes = 0; !reader.isDone && bytes < mostAheadBytes; ) {
    const next = await iterator.next();
    if (next.done === true) break;
    ahead.push(next.value);
    bytes += next.value.byteLength;
    reader.push(next.value);
  }
  async function* whole(): AsyncGenerator<Uint8Array> {
    for (let chunk = ahead.shift(); chunk !== undefined; chunk = ahead.shift()) yield chunk;
    yield* { [Symbol.asyncIterator]: () => iterator };
  }
  return { elements: reader.finish(), body: whole(), release };
}
