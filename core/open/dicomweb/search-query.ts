/** The query of a search (PS3.18, 8.3). */
import { dictionaryVr, tagNamed } from '../../dicom/dictionary.ts';
import type { AttributeQuery } from '../search/attribute-match.ts';
import { WebError } from '../web/message.ts';

export interface SearchQuery {
  readonly attributes: readonly AttributeQuery[];
  /** Attributes to be told besides those that are always told. */
  readonly include: ReadonlySet<number> | 'all';
  readonly offset: number;
  /** Absent: everything. */
  readonly limit: number | undefined;
  /** Names in the query that mean nothing to us. */
  readonly ignored: readonly string[];
}

/** More would be no search but an attempt to keep us busy. */
const mostAttributes = 64;
const longestValue = 8192;

/** Reads the query. Throws {@link WebError} 400 with what is wrong. */
export function parseSearchQuery(query: URLSearchParams): SearchQuery {
  const fuzzy = query.get('fuzzymatching') ?? 'false';
  if (fuzzy !== 'true' && fuzzy !== 'false') throw new WebError(400, 'fuzzymatching is true or false');
  const attributes: AttributeQuery[] = [];
  const include = new Set<number>();
  const ignored: string[] = [];
  let all = false;
  for (const [name, value] of query) {
    if (['limit', 'offset', 'fuzzymatching', 'accept'].includes(name)) continue;
    if (name === 'includefield') {
      for (const field of value.split(',')) {
        const tag = tagNamed(field);
        if (field === 'all') all = true;
        else if (tag !== undefined) include.add(tag);
      }
      continue;
    }
    const tag = tagNamed(name);
    if (tag === undefined) ignored.push(name);
    else attributes.push({ tag, vr: dictionaryVr(tag), wanted: wantedIn(value), fuzzy: fuzzy === 'true' });
    if (value.length > longestValue) throw tooMuch();
  }
  if (attributes.length > mostAttributes) throw tooMuch();
  const limit = wholeNumber(query, 'limit');
  return {
    attributes,
    include: all ? 'all' : include,
    offset: wholeNumber(query, 'offset') ?? 0,
    // Orthanc takes 0 for no limit, and clients rely on it.
    limit: limit === 0 ? undefined : limit,
    ignored,
  };
}

function tooMuch(): WebError {
  return new WebError(400, `a search has at most ${mostAttributes} attributes of ${longestValue} characters each`);
}

/** Several values are separated by commas, in older clients by backslashes. */
function wantedIn(value: string): readonly string[] {
  return value.split(/[,\\]/).filter((each) => each !== '');
}

function wholeNumber(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  if (!/^\d{1,9}$/.test(text)) throw new WebError(400, `${name} is not a whole number`);
  return Number(text);
}
