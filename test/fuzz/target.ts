/** What a fuzz target is: a parser of foreign bytes, where its inputs come from, and what must hold for each of them. */
import type fc from 'fast-check';
import { isMirrorError } from '../../core/errors.ts';

export interface FuzzTarget {
  readonly name: string;
  /** Inputs of all kinds: generated, and mutated from real ones. */
  readonly inputs: fc.Arbitrary<Uint8Array>;
  /** Checks one input; throws what must not be. Anything may call it again with the same bytes. */
  readonly check: (input: Uint8Array) => Promise<void> | void;
  /** Runs in `npm test`; default 300. */
  readonly runs?: number;
}

/** A property that an input broke. */
class Violation extends Error {
  override readonly name = 'Violation';
}

/** Throws a {@link Violation} unless `holds`. */
export function must(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Violation(what);
}

/** Longest text of an error: it names fields, numbers and what to do, never what was read. */
const longestMessage = 2000;

/**
 * Does what may fail on bad input. @returns what it gives, or `undefined` if it threw a MirrorError that can be shown.
 * Everything else that is thrown is a defect. Only errors about what the user typed just now may repeat it.
 */
export async function attempt<T>(
  work: () => T | Promise<T>,
  text: 'repeats what the user typed' | 'repeats nothing' = 'repeats nothing',
): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!isMirrorError(error)) throw error;
    if (text === 'repeats what the user typed') return undefined;
    must(error.message.length <= longestMessage, 'the text of an error is longer than anybody reads');
    // A tab is shown as it is, see core/printable.ts.
    must(!/(?!\t)[\p{Cc}\p{Cs}]/u.test(error.message), 'the text of an error acts on a terminal');
    return undefined;
  }
}

/** Yields bytes in pieces of a size. */
export async function* inPieces(bytes: Uint8Array, pieceBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}

/** @returns the bytes as the text that a reader of UTF-8 sees. */
export function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('utf8');
}

/** Throws a {@link Violation} unless two values are written the same. */
export function mustEqual(one: unknown, other: unknown, what: string): void {
  must(JSON.stringify(one) === JSON.stringify(other), what);
}
