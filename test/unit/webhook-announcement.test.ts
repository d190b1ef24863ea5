import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { announcementsOf, maxBodyBytes, maxEvents, parseBody } from '../../core/cloud/webhook/announcement.ts';
import { isOrthancId, orthancIdOf, type ResourceLevel, resourceLevels } from '../../core/identifiers.ts';

const id = orthancIdOf('PATIENT', '1.2', '1.2.3', '1.2.3.4');
const event = { kind: 'stored', level: 'instances', id };
const bytes = (value: unknown) => Buffer.from(JSON.stringify(value));

function fieldOf(value: unknown): string | undefined {
  const parsed = parseBody(bytes(value));
  return parsed.ok ? undefined : parsed.field;
}

describe('the body of a request', () => {
  it('names events of one mirror', () => {
    const parsed = parseBody(bytes({ v: 1, mirror: 'main', events: [event] }));
    expect(parsed).toEqual({ ok: true, request: { v: 1, mirror: 'main', events: [event] } });
  });

  it.each([
    ['another version', { v: 2, mirror: 'main', events: [event] }, 'v'],
    ['no mirror', { v: 1, events: [event] }, 'mirror'],
    ['a mirror that is no text', { v: 1, mirror: { name: 'main' }, events: [event] }, 'mirror'],
    ['no event', { v: 1, mirror: 'main', events: [] }, 'events'],
    ['too many events', { v: 1, mirror: 'main', events: Array.from({ length: maxEvents + 1 }, () => event) }, 'events'],
    ['a further field', { v: 1, mirror: 'main', events: [event], host: 'evil' }, 'body'],
    ['a further field of an event', { v: 1, mirror: 'main', events: [{ ...event, url: 'x' }] }, 'events.0'],
    ['an unknown kind', { v: 1, mirror: 'main', events: [event, { ...event, kind: 'moved' }] }, 'events.1.kind'],
    ['an unknown level', { v: 1, mirror: 'main', events: [{ ...event, level: 'files' }] }, 'events.0.level'],
    ['a URL as an id', { v: 1, mirror: 'main', events: [{ ...event, id: 'https://evil/' }] }, 'events.0.id'],
    ['a path as an id', { v: 1, mirror: 'main', events: [{ ...event, id: `../${id}` }] }, 'events.0.id'],
    ['an id with a line end', { v: 1, mirror: 'main', events: [{ ...event, id: `${id}\n` }] }, 'events.0.id'],
    ['a list of ids as an id', { v: 1, mirror: 'main', events: [{ ...event, id: [id] }] }, 'events.0.id'],
    ['an array', [event], 'body'],
  ])('is refused with %s, naming the field', (_, body, field) => {
    expect(fieldOf(body)).toBe(field);
  });

  it.each([
    ['nothing', ''],
    ['half a document', '{"v":1,"mirror":"main","events":['],
    ['two documents', '{}{}'],
  ])('is refused when it is %s', (_, text) => {
    expect(parseBody(Buffer.from(text))).toEqual({ ok: false, field: 'body' });
  });

  it('is refused when it is not UTF-8', () => {
    expect(parseBody(Buffer.from([0x22, 0xff, 0x22]))).toEqual({ ok: false, field: 'body' });
  });

  it('has room for as many events as are allowed', () => {
    const longest = { kind: 'updated', level: 'instances', id };
    const body = { v: 1, mirror: 'm'.repeat(32), events: Array.from({ length: maxEvents }, () => longest) };
    expect(bytes(body).byteLength).toBeLessThan(maxBodyBytes);
    expect(parseBody(bytes(body)).ok).toBe(true);
  });

  it('is taken exactly when its ids are ids', () => {
    fc.assert(
      fc.property(fc.oneof(fc.constant(id), fc.stringMatching(/^[0-9a-f-]{44}$/), fc.jsonValue()), (anyId) => {
        const parsed = parseBody(bytes({ v: 1, mirror: 'main', events: [{ ...event, id: anyId }] }));
        expect(parsed.ok).toBe(isOrthancId(anyId));
      }),
    );
  });
});

describe('announcements', () => {
  const of = (kind: 'stored' | 'updated' | 'stable' | 'deleted', level: ResourceLevel) =>
    announcementsOf([{ kind, level, id }]);

  it('name the instance that was stored', () => {
    expect(of('stored', 'instances')).toEqual([{ kind: 'instance', id }]);
  });

  it.each(['updated', 'stable'] as const)('name the study that is %s', (kind) => {
    expect(of(kind, 'studies')).toEqual([{ kind: 'study', id }]);
  });

  it.each(['patients', 'series', 'instances'] as const)('name what is to be looked up when %s are updated', (level) => {
    expect(of('updated', level)).toEqual([{ kind: 'resource', level, id }]);
  });

  it.each(resourceLevels)('name deletions of %s', (level) => {
    expect(of('deleted', level)).toEqual([{ kind: 'deletion', level, id }]);
  });

  it('say nothing of stable patients and series', () => {
    expect([of('stable', 'patients'), of('stable', 'series')]).toEqual([[], []]);
  });

  it('say the same thing once, in the order of the events', () => {
    const study = orthancIdOf('PATIENT', '1.2');
    const announcements = announcementsOf([
      { kind: 'stored', level: 'instances', id },
      { kind: 'updated', level: 'studies', id: study },
      { kind: 'stored', level: 'instances', id },
      { kind: 'stable', level: 'studies', id: study },
    ]);
    expect(announcements).toEqual([
      { kind: 'instance', id },
      { kind: 'study', id: study },
    ]);
  });
});
