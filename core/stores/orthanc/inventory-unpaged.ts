/**
 * The inventory of a server that pages without any order (before 1.12.5; some indexes after): one listing of all ids,
 * which as a single query cannot shift, parsed as it comes and sorted here. It tells no hashes.
 */
import { isInstanceId } from '../../identifiers.ts';
import type { InventoryEntry, InventoryOptions } from '../store.ts';
import type { OrthancAnswer } from './answer.ts';
import { misbehaviour } from './bounds.ts';
import type { OrthancClient } from './http-client.ts';
import { InstanceIdList } from './instance-id-list.ts';

/** An id takes 51 bytes of the answer; anything beyond is white space that a server could send for ever. */
const mostBytesPerId = 128;
const mostBytesInAdvance = 64 * 1024;

/** One request of about 51 bytes per instance; needs 24 bytes of memory for each. */
export async function* unpagedInventory(
  client: OrthancClient,
  options: InventoryOptions,
): AsyncGenerator<InventoryEntry> {
  const { signal, after } = options;
  const statusCodes = { 404: 'not-orthanc' } as const;
  const answer = await client.request({ method: 'GET', path: '/instances', signal, long: true, statusCodes });
  const ids = await readIds(client, answer, signal);
  for (const id of ids.sorted()) {
    if (after === undefined || id > after) yield { id, md5: undefined, sizeBytes: undefined };
  }
}

async function readIds(
  { name, limits }: OrthancClient,
  answer: OrthancAnswer,
  signal: AbortSignal | undefined,
): Promise<InstanceIdList> {
  const reader = new IdArrayReader((problem) => misbehaviour(name, `answered /instances in another form: ${problem}`));
  const decoder = new TextDecoder();
  let readBytes = 0;
  for await (const chunk of answer.bytes(signal)) {
    reader.read(decoder.decode(chunk, { stream: true }));
    readBytes += chunk.length;
    if (reader.count > limits.mostInstances)
      throw misbehaviour(name, `lists more than ${limits.mostInstances} instances`);
    if (readBytes > mostBytesInAdvance + chunk.length + mostBytesPerId * reader.count) {
      throw misbehaviour(name, 'fills the list of its instances with white space');
    }
  }
  return reader.end();
}

/** Reads a JSON array of instance ids piece by piece. Its grammar is so small that no parser of all JSON is needed. */
export class IdArrayReader {
  readonly #ids = new InstanceIdList();
  readonly #malformed: (problem: string) => Error;
  /** What is left of the piece before: less than one element. */
  #rest = '';
  #state: 'begin' | 'first' | 'element' | 'behind' | 'end' = 'begin';

  /** `malformed` makes the error that is thrown for anything else than an array of ids. */
  constructor(malformed: (problem: string) => Error) {
    this.#malformed = malformed;
  }

  /** How many ids were read so far, the same ones counted again. */
  get count(): number {
    return this.#ids.count;
  }

  read(piece: string): void {
    const text = this.#rest + piece;
    let position = 0;
    for (;;) {
      const next = this.#readToken(text, position);
      if (next === undefined) break;
      position = next;
    }
    this.#rest = text.slice(skipSpace(text, position));
  }

  /** @returns all ids; throws if the array did not end. */
  end(): InstanceIdList {
    if (this.#state !== 'end' || this.#rest.trim() !== '') throw this.#malformed('it ends within the list');
    return this.#ids;
  }

  /** Reads one bracket, comma or id. @returns the position behind it, or `undefined` if the piece holds no whole one. */
  #readToken(text: string, from: number): number | undefined {
    const start = skipSpace(text, from);
    const character = text[start];
    if (character === undefined) return undefined;
    if (character === '"') return this.#readId(text, start);
    this.#state = this.#stateBehind(character);
    return start + 1;
  }

  #stateBehind(character: string): 'first' | 'element' | 'end' {
    if (character === '[' && this.#state === 'begin') return 'first';
    if (character === ',' && this.#state === 'behind') return 'element';
    if (character === ']' && (this.#state === 'first' || this.#state === 'behind')) return 'end';
    throw this.#malformed('it is not a list of ids');
  }

  #readId(text: string, start: number): number | undefined {
    const end = start + 46;
    if (text.length < end) return undefined;
    const id = text.slice(start + 1, end - 1);
    const isExpected = this.#state === 'first' || this.#state === 'element';
    if (!isExpected || text[end - 1] !== '"' || !isInstanceId(id)) throw this.#malformed('it is not a list of ids');
    this.#ids.add(id);
    this.#state = 'behind';
    return end;
  }
}

function skipSpace(text: string, from: number): number {
  let position = from;
  while (position < text.length && ' \n\r\t'.includes(text.charAt(position))) position += 1;
  return position;
}
