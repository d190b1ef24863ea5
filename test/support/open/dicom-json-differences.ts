/** What differs between two answers in DICOM JSON, and which differences are meant. */
import type { JsonDataSet, JsonElement } from '../../../core/dicom/json-model.ts';

export interface JsonDifference {
  /** Tags and numbers of items: `00081115/1/0020000E`. */
  readonly path: string;
  readonly ours: JsonElement | undefined;
  readonly theirs: JsonElement | undefined;
}

/** A kind of difference that is meant. `docs/emergency.md` tells these to users. */
export interface AllowedDifference {
  readonly reason: string;
  readonly holds: (difference: JsonDifference) => boolean;
}

export const allowedDifferences: readonly AllowedDifference[] = [
  {
    reason: 'Orthanc leaves padding between several values and in values of unknown representation; we take it away',
    holds: ({ ours, theirs }) => same(ours, theirs && { ...theirs, Value: trimmed(theirs.Value) }),
  },
  {
    reason: 'Orthanc leaves out what is written as unknown (UN) and is a number or a sequence; we tell it',
    holds: ({ path, ours, theirs }) =>
      theirs === undefined && ours !== undefined && !isPrivate(path) && ['UN', 'US', 'SS'].includes(ours.vr),
  },
  {
    reason: 'Orthanc leaves out the pixel data of some uncompressed files; we tell where they are',
    holds: ({ path, ours, theirs }) => path === '7FE00010' && theirs === undefined && ours?.BulkDataURI !== undefined,
  },
  {
    reason: 'Elements of the file header (group 2) in a data set are no attributes; we leave them out',
    holds: ({ path, ours }) => ours === undefined && path.startsWith('0002'),
  },
  {
    reason:
      'Private elements of implicit files have no representation: Orthanc looks it up in a list of DCMTK, we say UN',
    holds: ({ path, ours }) => isPrivate(path) && ours?.vr === 'UN',
  },
];

export const allowedInSearches: readonly AllowedDifference[] = [
  ...allowedDifferences,
  {
    reason: 'An attribute without a value is told as empty or not at all: sidecars keep values only',
    holds: ({ ours, theirs }) => (ours?.Value ?? theirs?.Value) === undefined,
  },
  {
    reason: 'The time zone of a study is told only when it is asked for: it is not in the sidecar',
    holds: ({ path, ours }) => path === '00080201' && ours === undefined,
  },
  {
    reason: 'Numbers of related series and instances are counted and told at their own level, not taken from a file',
    holds: ({ path, ours }) => ['00201206', '00201208', '00201209'].includes(path) && ours === undefined,
  },
  {
    reason: 'We tell the description of the study with every match',
    holds: ({ path, theirs }) => path === '00081030' && theirs === undefined,
  },
];

/** Every element that is not the same in both. */
export function* jsonDifferences(ours: JsonDataSet, theirs: JsonDataSet, path = ''): Generator<JsonDifference> {
  for (const tag of new Set([...Object.keys(ours), ...Object.keys(theirs)])) {
    const [one, other] = [ours[tag], theirs[tag]];
    if (one?.vr === 'SQ' && other?.vr === 'SQ' && one.Value?.length === other.Value?.length) {
      for (const [index, item] of (one.Value ?? []).entries()) {
        const otherItem = other.Value?.[index];
        if (isItem(item) && isItem(otherItem)) yield* jsonDifferences(item, otherItem, `${path}${tag}/${index + 1}/`);
      }
    } else if (!same(one, other)) {
      yield { path: `${path}${tag}`, ours: one, theirs: other };
    }
  }
}

function isItem(value: unknown): value is JsonDataSet {
  return typeof value === 'object' && value !== null;
}

/** Addresses are the same if what follows the name of the server is. */
function same(one: JsonElement | undefined, other: JsonElement | undefined): boolean {
  return text(one) === text(other);
}

function text(element: JsonElement | undefined): string {
  if (element === undefined) return '';
  const { vr, Value = [], BulkDataURI = '' } = element;
  return JSON.stringify([vr, Value, BulkDataURI]).replaceAll(/https?:\/\/[^/"]+/g, '');
}

function trimmed(values: JsonElement['Value'] = []): NonNullable<JsonElement['Value']> {
  return JSON.parse(JSON.stringify(values, (_, value: unknown) => (typeof value === 'string' ? value.trim() : value)));
}

/** Whether texts of a data set have padding at their end. */
export function hasPadding(dataSet: JsonDataSet): boolean {
  return / "/.test(JSON.stringify(Object.values(dataSet)));
}

function isPrivate(path: string): boolean {
  return /[13579bdf]$/i.test(path.split('/').at(-1)?.slice(0, 4) ?? '');
}
