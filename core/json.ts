/**
 * JSON from outside: from servers, archives, queues and files that somebody else may have written. It is bounded before
 * it is parsed, and a check of its form ends at the first thing that is wrong, so that neither a huge document nor one
 * in which everything is wrong takes more memory than its text allows.
 */
import * as z from 'zod';

/** What a document may be at most; its length in bytes is bounded by whoever reads it. */
export interface JsonBounds {
  /** Most values of any kind, those inside of others included. */
  readonly mostValues: number;
  /** How deep lists and objects may lie in each other. */
  readonly mostDepth: number;
}

/**
 * @returns bounds for documents of up to `mostBytes`: what servers and archives write has more than 30 bytes per value;
 *   one of two bytes each would take thirty times the memory of its text.
 */
export function jsonBoundsOf(mostBytes: number): JsonBounds {
  return { mostValues: Math.ceil(mostBytes / 16), mostDepth: 64 };
}

/** A document, or what is wrong with it, in words that repeat nothing of it. */
export type ReadJson<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problem: string; readonly cause?: unknown };

/**
 * Parses a document and checks its form. Refuses objects that have a key twice, of which different programs believe
 * different ones, and the key `__proto__`.
 */
export function readJson<T>(text: string, schema: z.ZodType<T>, bounds: JsonBounds): ReadJson<T> {
  const parsed = parseJson(text, bounds);
  if (!parsed.ok) return parsed;
  const checked = schema.safeParse(parsed.value);
  return checked.success
    ? { ok: true, value: checked.data }
    : { ok: false, problem: wrongField(checked.error), cause: checked.error };
}

/** Parses a document without a check of its form; otherwise as {@link readJson}. */
export function parseJson(text: string, bounds: JsonBounds): ReadJson<unknown> {
  const problem = problemOf(text, bounds);
  if (problem !== undefined) return { ok: false, problem };
  try {
    return { ok: true, value: JSON.parse(text) };
  } catch (cause) {
    return { ok: false, problem: 'it is not JSON', cause };
  }
}

/**
 * A list of items of one form. Unlike `z.array` it ends at the first item that has another: a list in which all are
 * wrong costs one issue, not one for each item.
 */
export function listOf<T>(item: z.ZodType<T>): z.ZodType<T[]> {
  return z.custom<readonly unknown[]>(Array.isArray).transform((values, context) => {
    const items: T[] = [];
    for (const [index, value] of values.entries()) {
      const checked = item.safeParse(value);
      if (!checked.success) return refused(context, checked.error, index);
      items.push(checked.data);
    }
    return items;
  });
}

/** An object whose keys are data, all values of one form. Ends at the first entry that is wrong; see {@link listOf}. */
export function recordOf<T>(key: z.ZodType<string>, item: z.ZodType<T>): z.ZodType<Record<string, T>> {
  return z.custom<Readonly<Record<string, unknown>>>(isObject).transform((values, context) => {
    const entries: [string, T][] = [];
    for (const [name, value] of Object.entries(values)) {
      const checkedKey = key.safeParse(name);
      // The key is not named: it is data of somebody.
      if (!checkedKey.success) return refused(context, checkedKey.error, entries.length);
      const checked = item.safeParse(value);
      if (!checked.success) return refused(context, checked.error, entries.length);
      entries.push([checkedKey.data, checked.data]);
    }
    return Object.fromEntries(entries);
  });
}

/** @returns where a document has another form than the expected one: names of fields and positions, no values. */
function wrongField(error: z.ZodError): string {
  const path = error.issues[0]?.path.map(String).join('.') ?? '';
  return path === '' ? 'it does not have the expected form' : `it does not have the expected form at ${path}`;
}

function refused(context: z.RefinementCtx, error: z.ZodError, position: number): never {
  const path = [position, ...(error.issues[0]?.path ?? [])];
  context.issues.push({ code: 'custom', message: 'has another form', path, input: undefined });
  return z.NEVER;
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const space = 0x20;
const code = {
  quote: 0x22,
  comma: 0x2c,
  colon: 0x3a,
  openList: 0x5b,
  backslash: 0x5c,
  closeList: 0x5d,
  openObject: 0x7b,
  closeObject: 0x7d,
} as const;

/**
 * One pass over the text that looks at its structure only; whether it is JSON at all, the parser tells. Whatever it
 * remembers is bounded by the depth and by the keys of the objects that are open.
 */
function problemOf(text: string, { mostValues, mostDepth }: JsonBounds): string | undefined {
  const keysByDepth = [new Set<string>()];
  let depth = 0;
  let values = 1;
  let stringStart = 0;
  let stringEnd = 0;
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charCodeAt(at);
    // Most of what stands between texts is white space.
    if (character <= space) continue;
    switch (character) {
      case code.quote:
        stringStart = at + 1;
        stringEnd = endOfString(text, stringStart);
        if (stringEnd === -1) return 'it is not JSON';
        at = stringEnd;
        break;
      case code.colon: {
        const key = keyIn(text, stringStart, stringEnd);
        const keys = keysByDepth[depth];
        if (key === undefined || keys === undefined) return 'it is not JSON';
        if (key === '__proto__') return 'it has the key __proto__';
        if (keys.has(key)) return 'it has an object with a key twice';
        keys.add(key);
        break;
      }
      case code.openObject:
      case code.openList:
        depth += 1;
        if (depth > mostDepth) return `it is nested more than ${mostDepth} deep`;
        if (keysByDepth.length <= depth) keysByDepth.push(new Set());
        keysByDepth[depth]?.clear();
        values += 1;
        break;
      case code.closeObject:
      case code.closeList:
        depth -= 1;
        break;
      case code.comma:
        values += 1;
        break;
    }
    if (values > mostValues) return `it holds more than ${mostValues} values`;
  }
  return undefined;
}

/** @returns where the closing quote of a string is, or -1. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start); end !== -1; end = text.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(end - 1 - backslashes) === code.backslash && end - 1 - backslashes >= start)
      backslashes += 1;
    if (backslashes % 2 === 0) return end;
  }
  return -1;
}

/** The same key can be written in many ways (`a`, `\u0061`). */
function keyIn(text: string, start: number, end: number): string | undefined {
  const written = text.slice(start, end);
  if (!written.includes('\\')) return written;
  try {
    return String(JSON.parse(`"${written}"`));
  } catch {
    return undefined;
  }
}
