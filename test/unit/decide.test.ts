/** The rules by which an instance counts as equal, lacking, in conflict; and by which words its end is told. */
import { describe, expect, test } from 'vitest';
import { heldIn, knownIn, needOf, type Standing, standingOf, whatIsKept } from '../../core/copy/decide.ts';
import { type Destination, outcomeOfError, worstKind } from '../../core/copy/outcome.ts';
import { type ErrorCode, MirrorError } from '../../core/errors.ts';
import { md5Of } from '../../core/identifiers.ts';
import type { InventoryEntry, KnownEntry } from '../../core/stores/store.ts';
import { MemoryStore, sampleId } from '../support/memory-store.ts';

const id = sampleId(1);
const [ours, others] = ['ours', 'others'].map((text) => md5Of(Buffer.from(text)));
if (ours === undefined || others === undefined) throw new Error('there are two');

const listed = (md5: InventoryEntry['md5']): InventoryEntry => ({ id, md5, sizeBytes: 4 });
const known = (more: Partial<KnownEntry> = {}): KnownEntry => ({
  ...listed(ours),
  standing: 'held',
  versions: [ours],
  isForeign: false,
  ...more,
});

describe('how a destination stands to the source', () => {
  test.each<[string, readonly InventoryEntry[], typeof ours | undefined, Standing, Standing]>([
    ['nothing', [], ours, 'lacking', 'lacking'],
    ['nothing, of a source without a hash', [], undefined, 'lacking', 'lacking'],
    ['the same hash', [listed(ours)], ours, 'equal', 'equal'],
    // Versions lie side by side in an archive; a target has one.
    ['another hash', [listed(others)], ours, 'conflict', 'lacking'],
    ['no hash', [listed(undefined)], ours, 'unknown', 'lacking'],
    ['a hash, of a source without one', [listed(ours)], undefined, 'unknown', 'unknown'],
  ])('that tells %s', (_, told, atSource, target, archive) => {
    expect([standingOf('target', told, atSource), standingOf('archive', told, atSource)]).toEqual([target, archive]);
  });

  test('what an archive knows and does not hold is lacking there', () => {
    const removed = known({ standing: 'removed' });
    expect([heldIn([removed]), knownIn([removed])]).toEqual([[], removed]);
    expect(standingOf('archive', [removed], ours)).toBe('lacking');
    expect([knownIn([listed(ours)]), heldIn([listed(ours)])]).toEqual([undefined, [listed(ours)]]);
  });

  test('an archive that something was imported to is told that the source has it', () => {
    expect(standingOf('archive', [known({ isForeign: true })], ours)).toBe('equal');
    expect(needOf('archive', [known({ isForeign: true })], ours)).toBe('lacking');
    expect(needOf('archive', [known()], ours)).toBe('equal');
    expect(needOf('archive', [known({ md5: others })], ours)).toBe('lacking');
  });

  test('an archive keeps nothing of an id, these bytes, or others', () => {
    expect(whatIsKept(undefined, ours)).toBe('nothing');
    expect(whatIsKept(known({ md5: others, versions: [others, ours] }), ours)).toBe('these');
    expect(whatIsKept(known({ versions: [others] }), ours)).toBe('others');
    expect(whatIsKept(known(), undefined)).toBe('others');
  });
});

describe('the word for an end', () => {
  const destination: Destination = { role: 'target', store: new MemoryStore('target') };

  test.each<[ErrorCode, string]>([
    ['conflict', 'conflict'],
    ['refused', 'rejected'],
    ['hash-wrong', 'rejected'],
    ['vanished', 'vanished'],
    ['unreachable', 'failed'],
    ['unauthorized', 'failed'],
    ['full', 'failed'],
  ])('that the error %s made is %s', (code, kind) => {
    const error = new MirrorError(code, 'why');
    expect(outcomeOfError(destination, error, 'source')).toEqual({ destination, kind, error, at: 'source' });
  });

  test('is thrown where it is a defect of ours', () => {
    const defect = new TypeError('undefined is not a function');
    expect(() => outcomeOfError(destination, defect, 'source')).toThrow(defect);
  });

  test('of several is the worst', () => {
    const order = ['failed', 'rejected', 'conflict', 'vanished', 'copied', 'already-equal'] as const;
    for (const [n, kind] of order.entries()) {
      expect(worstKind(order.slice(n).map((one) => ({ kind: one })))).toBe(kind);
    }
    expect(worstKind([])).toBe('already-equal');
  });
});
