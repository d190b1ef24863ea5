import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { jsonBoundsOf, listOf, parseJson, readJson, recordOf } from '../../core/json.ts';

const bounds = jsonBoundsOf(1024 * 1024);
const anything = z.unknown();

function problemOf(text: string, schema: z.ZodType = anything): string | undefined {
  const read = readJson(text, schema, bounds);
  return read.ok ? undefined : read.problem;
}

describe('JSON from outside', () => {
  test('means what it means to everybody else', () => {
    fc.assert(
      fc.property(fc.json({ stringUnit: 'binary' }), fc.constantFrom(undefined, 1, '\t'), (json, indent) => {
        const value: unknown = JSON.parse(json);
        fc.pre(!JSON.stringify(value).includes('__proto__'));
        const text = JSON.stringify(value, undefined, indent);
        expect(parseJson(text, bounds)).toEqual({ ok: true, value });
      }),
    );
  });

  test('is refused where no parser takes it, and never anything else is thrown', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('{', '}', '[', ']', '"', ',', ':', '\\', '0', 'a', ' ', 'é', '\ud800') }),
        (text) => {
          const read = parseJson(text, bounds);
          if (read.ok) expect(read.value).toEqual(JSON.parse(text));
        },
      ),
      { numRuns: 2000 },
    );
  });

  test.each([
    ['a key twice', '{"a":1,"a":2}', /a key twice/],
    ['a key twice in different spelling', '{"a":1,"\\u0061":2}', /a key twice/],
    ['a key twice deep inside', '[{"b":{"c":[],"a":{},"c":1}}]', /a key twice/],
    ['__proto__', '{"__proto__":{"x":1}}', /__proto__/],
    ['__proto__ in different spelling', '{"\\u005f_proto__":{"x":1}}', /__proto__/],
    ['too many values', `[${'0,'.repeat(70_000)}0]`, /more than 65536 values/],
    ['too many empty lists', `[${'[],'.repeat(70_000)}0]`, /more than 65536 values/],
    ['deep nesting', `${'['.repeat(100)}${']'.repeat(100)}`, /nested more than 64 deep/],
    ['deep nesting of objects', `${'{"a":'.repeat(100)}1${'}'.repeat(100)}`, /nested more than 64 deep/],
    ['an end amid a text', '{"a":"b', /not JSON/],
    ['nothing', '', /not JSON/],
    ['two documents', '{}{}', /not JSON/],
  ])('is refused with %s', (_, text, problem) => {
    expect(problemOf(text)).toMatch(problem);
  });

  test('may have the same key in different objects, and the text of a key as a value', () => {
    expect(problemOf('[{"a":"a","b":"a"},{"a":{"a":1},"b":{"a":1}}]')).toBeUndefined();
    expect(problemOf('["__proto__", "a\\"b", "\\\\"]')).toBeUndefined();
  });
});

describe('a form', () => {
  const people = z.object({ people: listOf(z.object({ age: z.int(), names: recordOf(z.string(), z.string()) })) });

  test('passes what has it', () => {
    const value = { people: [{ age: 1, names: { a: 'b' } }] };
    expect(readJson(JSON.stringify(value), people, bounds)).toEqual({ ok: true, value });
  });

  test('that all items lack is one problem, at the first of them', () => {
    const text = JSON.stringify({ people: Array.from({ length: 5000 }, () => ({ age: 'SECRET', names: [] })) });
    const read = readJson(text, people, bounds);
    expect(read).toMatchObject({ ok: false, problem: 'it does not have the expected form at people.0.age' });
    expect(read.ok ? undefined : read.cause).toHaveProperty('issues.length', 1);
  });

  test('is told without the keys and values of the document', () => {
    const text = JSON.stringify({ people: [{ age: 1, names: { SECRET: 'x', OTHER: { SECRET: 1 } } }] });
    expect(problemOf(text, people)).toBe('it does not have the expected form at people.0.names.1');
    expect(problemOf('"SECRET"', people)).toBe('it does not have the expected form');
  });
});
