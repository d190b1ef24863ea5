/**
 * Who looked at what and when: lines of JSON, each with the hash of the one before it, so that a line that was changed
 * or taken out is noticed. Ids and names of users only, no patient data.
 *
 *     {"n":7,"at":"2026-11-21T03:02:01.123Z","who":"anna","action":"frames","study":"…","status":200,"before":"…","hash":"…"}
 */
import { createHash } from 'node:crypto';
import * as z from 'zod';

/** What is logged of a request. */
export interface AccessRecord {
  readonly who: string;
  /** Address of the client, unless it is this machine. */
  readonly from?: string | undefined;
  /** Of which mirror, where an address tells it. */
  readonly mirror?: string | undefined;
  readonly action: string;
  /** Orthanc ids. */
  readonly study?: string | undefined;
  readonly id?: string | undefined;
  readonly status: number;
}

/** Where a log goes on: after how many lines, and the hash of the last one. */
export interface LogEnd {
  readonly n: number;
  readonly hash: string;
}

export const emptyLog: LogEnd = { n: 0, hash: '0'.repeat(64) };

const lineSchema = z.object({ n: z.int().positive(), action: z.string(), before: z.string(), hash: z.string() });
const hashMember = /,"hash":"[0-9a-f]{64}"\}$/;

/** The line that follows, without a line break, and where the log goes on when it was written. */
export function nextLine(end: LogEnd, at: Date, record: AccessRecord): { readonly line: string; readonly end: LogEnd } {
  const n = end.n + 1;
  const entry = JSON.stringify({ n, at: at.toISOString(), ...record, before: end.hash });
  const hash = hashOf(entry);
  // The hash stands at the end of the line and is of all the rest.
  return { line: `${entry.slice(0, -1)},"hash":"${hash}"}`, end: { n, hash } };
}

/** Where a log goes on after a line; `undefined` if it is none of such a log. */
export function endAfter(line: string): LogEnd | undefined {
  const found = parsed(line);
  return found && { n: found.n, hash: found.hash };
}

/** Where a log goes on after a line, which tells of an action; `undefined` if it is not the one written after `end`. */
export function follow(end: LogEnd, line: string): (LogEnd & { readonly action: string }) | undefined {
  const found = parsed(line);
  const fits =
    found?.n === end.n + 1 && found.before === end.hash && found.hash === hashOf(line.replace(hashMember, '}'));
  return fits ? { n: found.n, hash: found.hash, action: found.action } : undefined;
}

function parsed(line: string): z.infer<typeof lineSchema> | undefined {
  try {
    return lineSchema.parse(JSON.parse(line));
  } catch {
    return undefined;
  }
}

function hashOf(entry: string): string {
  return createHash('sha256').update(entry).digest('hex');
}
