import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type InstanceId, isInstanceId, orthancIdOf } from '../../core/identifiers.ts';
import { Progress } from '../../core/stores/orthanc/bounds.ts';
import { joinPages, offsetBefore, type ReadPage } from '../../core/stores/orthanc/inventory-paged.ts';

/** An id for each number, in the order of numbers. */
function idAt(number: number): InstanceId {
  const tail = orthancIdOf('x').slice(8);
  return `${number.toString(16).padStart(8, '0')}${tail}` as InstanceId;
}

/** A list that changes before each page is read, as `changes` says; a server may also cap its pages. */
function shiftingList(initial: readonly number[], changes: readonly Change[], cap: number) {
  let rows = [...new Set(initial)].sort((a, b) => a - b);
  const everDeleted = new Set<number>();
  const requests: [number, number][] = [];
  const readPage: ReadPage = (offset, limit) => {
    const change = changes[requests.length] ?? { insert: [], remove: [] };
    requests.push([offset, limit]);
    const removed = rows.filter((_, index) => change.remove.includes(index));
    for (const row of removed) everDeleted.add(row);
    rows = [...new Set([...rows.filter((row) => !removed.includes(row)), ...change.insert])].sort((a, b) => a - b);
    const page = rows.slice(offset, offset + Math.min(limit, cap));
    return Promise.resolve(page.map((row) => ({ id: idAt(row), md5: undefined, sizeBytes: 1 })));
  };
  return { readPage, requests, everDeleted };
}

interface Change {
  readonly insert: readonly number[];
  /** Positions in the list at that time. */
  readonly remove: readonly number[];
}

/** Of a server that caps its pages at two rows: one of them is new. */
function progress(): Progress {
  return new Progress('the server', 'instances', { mostItems: 1_000_000, itemsPerRequest: 1 });
}

const numbers = fc.array(fc.nat(300), { maxLength: 80 });
const change = fc.record({
  insert: fc.array(fc.nat(300), { maxLength: 8 }),
  remove: fc.array(fc.nat(80), { maxLength: 12 }),
});

describe('joining pages that shift', () => {
  it('lists once and in order everything that was there all the time, whatever comes and goes', async () => {
    await fc.assert(
      fc.asyncProperty(
        numbers,
        fc.array(change, { maxLength: 40 }),
        fc.integer({ min: 2, max: 12 }),
        fc.integer({ min: 2, max: 12 }),
        fc.option(fc.record({ number: fc.nat(300), guess: fc.nat(100) }), { nil: undefined }),
        async (initial, changes, limit, cap, behind) => {
          const list = shiftingList(initial, changes, cap);
          const after = behind && idAt(behind.number);
          const first = behind?.guess ?? 0;
          const pages = joinPages(list.readPage, limit, first, after, progress());
          const listed = (await Array.fromAsync(pages)).map(({ id }) => id);
          expect(listed).toEqual([...new Set(listed)].sort());
          const lasting = initial.filter((row) => !list.everDeleted.has(row)).map(idAt);
          for (const id of lasting) if (after === undefined || id > after) expect(listed).toContain(id);
          for (const id of listed) if (after !== undefined) expect(id > after).toBe(true);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it.each([
    [0, 1],
    [1, 1],
    [1000, 2],
    [2500, 4],
  ])('asks for a still list of %i in %i pages of 1000', async (count, requests) => {
    const list = shiftingList([...Array(count).keys()], [], 5000);
    expect(await Array.fromAsync(joinPages(list.readPage, 1000, 0, undefined, progress()))).toHaveLength(count);
    expect(list.requests).toHaveLength(requests);
  });

  it('goes on behind any of many instances with one page', async () => {
    const ids = Array.from({ length: 20_000 }, (_, n) => orthancIdOf('any', String(n)))
      .filter(isInstanceId)
      .sort();
    let requests = 0;
    const readPage: ReadPage = (offset, limit) => {
      requests += 1;
      return Promise.resolve(ids.slice(offset, offset + limit).map((id) => ({ id, md5: undefined, sizeBytes: 1 })));
    };
    for (const rank of [0, 1, 5000, 15_555, 19_998]) {
      const after = ids[rank];
      if (after === undefined) throw new Error('there is no such instance');
      requests = 0;
      const listing = joinPages(readPage, 2000, offsetBefore(after, ids.length), after, progress());
      expect((await listing.next()).value?.id).toBe(ids[rank + 1]);
      expect(requests).toBe(1);
      await listing.return(undefined);
    }
  });

  it.each([
    ['that ignores the offset', () => 0],
    ['whose pages jump back and forth', (request: number) => (request % 2 === 0 ? 0 : 5_000)],
    ['whose pages run away', (request: number) => request * 1_000_000],
  ])('gives up a list %s after a bounded number of requests', async (_, startOf) => {
    let requests = 0;
    const readPage: ReadPage = (_offset, limit) => {
      requests += 1;
      const start = startOf(requests);
      return Promise.resolve(
        Array.from({ length: limit }, (__, row) => ({ id: idAt(start + row), md5: undefined, sizeBytes: 1 })),
      );
    };
    const bounded = new Progress('the server', 'instances', { mostItems: 20_000, itemsPerRequest: 10 });
    const listing = Array.fromAsync(joinPages(readPage, 1001, 0, undefined, bounded));
    await expect(listing).rejects.toMatchObject({ code: 'answer-malformed', disposition: 'halt' });
    await expect(listing).rejects.toThrow(/^the server lists /);
    expect(requests).toBeLessThanOrEqual(300);
  });
});
