/** Turns what zod found wrong into sentences for the person who wrote the configuration. */
import type { z } from 'zod';
import { printable, shortenedAmid } from '../printable.ts';

/** More than anybody corrects at once. */
const mostProblems = 20;
const longestName = 60;

type Issue = z.core.$ZodIssue;

/** How the kinds of JSON are called in messages. */
const kindNames: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'an object',
  record: 'an object',
  array: 'a list',
};

/** Words zod's usual problems so that they say what to do. For `safeParse(json, { error: wordProblem })`. */
export const wordProblem: z.core.$ZodErrorMap = (issue) => {
  switch (issue.code) {
    case 'invalid_type': {
      const wanted = kindNames[issue.expected] ?? issue.expected;
      return issue.input === undefined ? `is missing; give ${wanted}` : `must be ${wanted}`;
    }
    case 'invalid_value':
      return `must be one of ${issue.values.map(String).join(', ')}`;
    case 'too_small':
      return `must be at least ${issue.minimum}`;
    case 'too_big':
      return `must be at most ${issue.maximum}`;
    default:
      return undefined;
  }
};

/**
 * One sentence per problem: the field, what is wrong with it, and what to do. Values never appear in them, because
 * somebody may have written a secret where only a reference belongs.
 */
export function describeProblems(error: z.ZodError): string[] {
  const problems = error.issues.flatMap((issue) => describeIssue(issue, []));
  const more = problems.length - mostProblems;
  return more > 0 ? [...problems.slice(0, mostProblems), `and ${more} more problems`] : problems;
}

function describeIssue(issue: Issue, parents: readonly PropertyKey[]): string[] {
  const path = [...parents, ...issue.path];
  if (issue.code === 'invalid_union') {
    const meant = closestVariant(issue.errors);
    if (meant !== undefined) {
      return meant.flatMap((inner) => describeIssue(inner, path));
    }
  }
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => `${fieldName([...path, key])}: is not known; correct its spelling or remove it`);
  }
  if (issue.code === 'invalid_key') {
    return issue.issues.map((inner) => `${fieldName(path)}: ${inner.message}`);
  }
  return [`${fieldName(path)}: ${issue.message}`];
}

/**
 * The variant of a union that the writer probably meant: the one with the fewest problems in which not a single
 * field of the variant was missing. None, if what is written is not even of the right kind.
 */
function closestVariant(variants: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  const plausible = variants.filter((issues) => issues.every((issue) => issue.path.length > 0));
  const nearest = plausible.length > 0 ? plausible : variants.filter((issues) => issues.every(isAboutKeys));
  return nearest.toSorted((one, other) => one.length - other.length)[0];
}

function isAboutKeys(issue: Issue): boolean {
  return issue.path.length > 0 || issue.code === 'unrecognized_keys';
}

/** Names are what somebody wrote: any text, of any length. */
function fieldName(path: readonly PropertyKey[]): string {
  return path.length === 0 ? 'the configuration' : printable(shortenedAmid(path.map(String).join('.'), longestName));
}
