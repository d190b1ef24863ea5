/** An archive belongs to one source, and whoever else comes is refused. */
import { describe, expect, test } from 'vitest';
import { gatherEvidence, judgeEvidence, noEvidence } from '../../core/mirror/follow/feed-evidence.ts';
import { SourceProof } from '../../core/mirror/source-proof.ts';
import { openArchive } from '../../core/stores/archive/archive.ts';
import { readManifest } from '../../core/stores/archive/manifest.ts';
import type { Change } from '../../core/stores/change-feed.ts';
import { MemoryObjects } from '../support/memory-objects.ts';
import { change, SimulatedFeed } from '../support/simulated-feed.ts';

/** The feed of a server that got so many instances; `first` is the number of the first one. */
function feedOf(count: number, first = 1): SimulatedFeed {
  const feed = new SimulatedFeed();
  for (let seq = 1; seq <= count; seq += 1) feed.add(change(seq, first + seq));
  return feed;
}

/** The same feed, with something different about each of its entries. */
function relived(difference: Partial<Change>): SimulatedFeed {
  const feed = new SimulatedFeed();
  feed.add(...feedOf(100).entries.map((entry) => ({ ...entry, ...difference })));
  return feed;
}

describe('evidence of a change feed', () => {
  test('is some entries of all of it, in few small requests', async () => {
    const feed = feedOf(400);
    const evidence = await gatherEvidence(feed);
    expect(evidence.entries.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 100, 200, 300, 400]);
    expect(feed.requests).toBeLessThanOrEqual(5);
  });

  test('shows the same database at the first entry that is still there', async () => {
    const feed = feedOf(100);
    const evidence = await gatherEvidence(feed);
    feed.requests = 0;
    expect(await judgeEvidence(feed, evidence)).toBe('same');
    expect(feed.requests).toBe(1);
  });

  test.each<[string, (feed: SimulatedFeed) => SimulatedFeed, string]>([
    ['grew', (feed) => feedOf(feed.lastEver + 50), 'same'],
    ['lost most of its entries with their resources', (feed) => withEntries(feed, (seq) => seq === 75), 'same'],
    ['was restored from an old backup and got others since', () => mixed(20), 'same'],
    ['was cleared', (feed) => withEntries(feed, () => false), 'none'],
    ['is that of another database', () => feedOf(100, 5000), 'other'],
    [
      'is that of another database with the same files, received later',
      () => relived({ date: '20270101T000000' }),
      'other',
    ],
    ['is that of another database with the same ids for other things', () => relived({ type: 'StableStudy' }), 'other'],
    ['is that of another, smaller database', () => feedOf(3, 5000), 'other'],
    ['is that of a new, empty database', () => new SimulatedFeed(), 'none'],
  ])('of a feed that %s', async (_, later, verdict) => {
    const feed = feedOf(100);
    const evidence = await gatherEvidence(feed);
    expect(await judgeEvidence(later(feed), evidence)).toBe(verdict);
  });

  test('of an empty feed is none', async () => {
    expect(await gatherEvidence(new SimulatedFeed())).toEqual(noEvidence);
    expect(await judgeEvidence(feedOf(5), noEvidence)).toBe('none');
  });
});

function withEntries(feed: SimulatedFeed, keeps: (seq: number) => boolean): SimulatedFeed {
  feed.entries = feed.entries.filter(({ seq }) => keeps(seq));
  return feed;
}

/** The first so many entries are those of before, the others are not. */
function mixed(kept: number): SimulatedFeed {
  const feed = feedOf(kept);
  for (let seq = kept + 1; seq <= 120; seq += 1) feed.add(change(seq, 7000 + seq));
  return feed;
}

interface Server {
  readonly feed: SimulatedFeed;
  /** `undefined` where it tells none. */
  readonly identifier?: string | undefined;
}

async function newArchive(identifier?: string) {
  const objects = new MemoryObjects();
  const source = { name: 'first', ...(identifier !== undefined && { serverIdentifier: identifier }) };
  await openArchive(objects, { createFor: source });
  const proofOf = async (server: Server, options: { successors?: number; dryRun?: boolean; name?: string } = {}) =>
    new SourceProof({
      archive: await openArchive(objects),
      feed: server.feed,
      name: options.name ?? 'second',
      serverIdentifier: async () => server.identifier,
      successors: options.successors ?? 0,
      now: () => new Date('2026-11-21T00:00:00Z'),
      dryRun: options.dryRun,
    });
  /** A comparison that came to its end. */
  const compare = async (server: Server, options?: Parameters<typeof proofOf>[1]) => {
    const proof = await proofOf(server, options);
    await proof.verify();
    await proof.remember();
  };
  return { objects, compare, proofOf };
}

const refusal = { code: 'other-source', disposition: 'halt' };

describe('the source of an archive', () => {
  test('is the same server, however often it comes', async () => {
    const { compare, objects } = await newArchive('a');
    const server = { feed: feedOf(50), identifier: 'a' };
    await compare(server);
    const writes = objects.calls.replaceIf;
    await compare(server);
    expect(objects.calls.replaceIf).toBe(writes);
  });

  test.each<[string, string | undefined, Server]>([
    ['tells another identifier, and nothing of its feed tells more', 'a', { feed: feedOf(0), identifier: 'b' }],
    ['has another database, and tells no identifier', undefined, { feed: feedOf(50, 5000) }],
    ['has another database, and the same identifier', 'a', { feed: feedOf(50, 5000), identifier: 'a' }],
    ['has another database, and tells an identifier now', undefined, { feed: feedOf(50, 5000), identifier: 'b' }],
    ['has another database, and tells no identifier any more', 'a', { feed: feedOf(50, 5000) }],
  ])('is not one that %s', async (_, identifier, other) => {
    const { compare } = await newArchive(identifier);
    await compare({ feed: feedOf(50), identifier });
    await expect(compare(other)).rejects.toMatchObject(refusal);
  });

  test.each<[string, string | undefined, Server]>([
    ['a new container with the same database has', 'a', { feed: feedOf(50), identifier: 'b' }],
    ['an upgrade begins to tell', undefined, { feed: feedOf(50), identifier: 'b' }],
    ['an older version no longer tells', 'a', { feed: feedOf(50) }],
  ])('is the same although the identifier is another one, as %s', async (_, identifier, later) => {
    const { compare } = await newArchive(identifier);
    await compare({ feed: feedOf(50), identifier });
    await compare(later);
    // The new identifier is known from then on, when the feed is cleared.
    await compare({ feed: withEntries(feedOf(50), () => false), identifier: later.identifier });
  });

  test('is not refused for a feed that was cleared, or is empty', async () => {
    const { compare } = await newArchive();
    await compare({ feed: feedOf(50) });
    await compare({ feed: withEntries(feedOf(50), () => false) });
    await compare({ feed: new SimulatedFeed() });
  });

  test('is refused with both ways on, and nothing is written', async () => {
    const { compare, objects } = await newArchive('a');
    await compare({ feed: feedOf(50), identifier: 'a' });
    const before = new Map(objects.stored);
    const refused = compare({ feed: feedOf(50, 5000), identifier: 'b' });
    await expect(refused).rejects.toThrow(/belongs to another source \(first, server identifier a\) than second/);
    await expect(refused).rejects.toMatchObject({
      message: expect.stringMatching(/archive of its own.*"succeed": 1/s),
      advice: 'succeed-source',
    });
    expect(objects.stored).toEqual(before);
  });

  test('may be succeeded once for each time that it is said, and remembers its predecessors', async () => {
    const { compare, objects } = await newArchive('a');
    await compare({ feed: feedOf(50), identifier: 'a' });
    const second = { feed: feedOf(50, 5000), identifier: 'b' };
    await compare(second, { successors: 1, dryRun: true });
    expect((await readManifest(objects))?.predecessors).toEqual([]);
    await compare(second, { successors: 1 });
    expect(await readManifest(objects)).toMatchObject({
      source: { name: 'second', serverIdentifier: 'b' },
      predecessors: [{ name: 'first', serverIdentifier: 'a', until: '2026-11-21T00:00:00.000Z' }],
    });
    await compare(second, { successors: 1 });
    // What was said is used up: a third server, and the first one, are refused.
    await expect(compare({ feed: feedOf(50, 9000) }, { successors: 1 })).rejects.toMatchObject(refusal);
    await expect(compare({ feed: feedOf(50), identifier: 'a' }, { successors: 1 })).rejects.toThrow(/"succeed": 2/);
  });

  test('that was succeeded leaves no evidence against its successor, though that was cut before its first comparison', async () => {
    const { compare, proofOf } = await newArchive();
    await compare({ feed: feedOf(50) });
    const second = { feed: feedOf(50, 5000) };
    await (await proofOf(second, { successors: 1 })).verify();
    await compare(second);
  });
});
