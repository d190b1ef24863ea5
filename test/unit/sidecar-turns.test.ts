import { expect, onTestFinished, test } from 'vitest';
import type { CallOptions } from '../../core/call-options.ts';
import { MirrorError } from '../../core/errors.ts';
import type { Failures, SidecarSync } from '../../core/mirror/sidecar-sync.ts';
import { SidecarTurns } from '../../core/mirror/sidecar-turns.ts';
import { noOutcomes } from '../../core/mirror/summary.ts';
import type { Change } from '../../core/stores/change-feed.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { SimulatedClock } from '../support/simulated-clock.ts';
import { change } from '../support/simulated-feed.ts';

const secondMs = 1000;
const minuteMs = 60 * secondMs;

/** Sidecars whose comparison takes a minute, and those of changes a second. */
class SlowSidecars {
  readonly clock = new SimulatedClock();
  readonly counts = noOutcomes();
  readonly followed: number[][] = [];
  readonly reconciledAt: number[] = [];
  readonly failures: MirrorError[] = [];
  /** Who takes no sidecars, with the reason. */
  refusing: Failures = new Map();
  /** What goes wrong with a comparison of all. */
  fail: () => void = () => undefined;
  begun = 0;
  readonly turns: SidecarTurns;

  constructor() {
    const stop = new AbortController();
    const failure = new MirrorError('server-error', 'a study failed');
    const sidecars: Pick<SidecarSync, 'counts' | 'lastFailure' | 'follow' | 'reconcile'> = {
      counts: this.counts,
      lastFailure: failure,
      follow: async (changes: readonly Change[], _: unknown, { signal }: CallOptions) => {
        await this.clock.wait(secondMs, signal);
        this.followed.push(changes.map(({ seq }) => seq));
        return new Map();
      },
      reconcile: async (_: unknown, { signal }: CallOptions) => {
        this.begun += 1;
        await this.clock.wait(minuteMs, signal);
        signal?.throwIfAborted();
        this.fail();
        this.reconciledAt.push(this.#seconds());
        return this.refusing;
      },
    };
    this.turns = new SidecarTurns({
      sidecars,
      clock: this.clock,
      leftOut: () => new Map(),
      onFailure: async (error) => void this.failures.push(error),
      signal: stop.signal,
    });
    onTestFinished(async () => {
      stop.abort();
      await this.turns.end();
    });
  }

  #seconds(): number {
    return (this.clock.nowMs() - Date.parse('2026-11-21T00:00:00Z')) / 1000;
  }

  /** Lets minutes pass, as a watch does: with a turn every few seconds. */
  async pass(minutes: number): Promise<void> {
    for (let seconds = 0; seconds < minutes * 60; seconds += 5) {
      this.turns.takeTurn();
      await this.clock.pass(5 * secondMs);
    }
  }
}

test('those of changes do not wait for a comparison of all, and what comes meanwhile goes together', async () => {
  const sidecars = new SlowSidecars();
  sidecars.turns.reconcile();
  for (const seq of [1, 2, 3]) sidecars.turns.follow([change(seq)]);
  await sidecars.clock.pass(5 * secondMs);
  expect(sidecars.followed).toEqual([[1], [2, 3]]);
  expect(sidecars.reconciledAt).toEqual([]);
  await sidecars.clock.pass(minuteMs);
  expect(sidecars.reconciledAt).toEqual([60]);
});

test('a comparison begins anew when other destinations can be used', async () => {
  const sidecars = new SlowSidecars();
  sidecars.turns.reconcile();
  await sidecars.clock.pass(30 * secondMs);
  sidecars.turns.changed();
  await sidecars.clock.pass(2 * minuteMs);
  expect([sidecars.begun, sidecars.reconciledAt]).toEqual([2, [90]]);
  sidecars.turns.changed();
  await sidecars.clock.pass(2 * minuteMs);
  expect(sidecars.begun).toBe(2);
});

const refused = new MirrorError('forbidden', 'nobody may write', { store: 'target' });
const refusing: Failures = new Map([[{ role: 'target', store: new MemoryStore('target') } as const, refused]]);

test.each<[string, (sidecars: SlowSidecars) => void]>([
  [
    'an error',
    () => {
      throw new MirrorError('server-error', 'a listing failed');
    },
  ],
  [
    'a study that fails',
    ({ counts }) => {
      counts.failed += 1;
    },
  ],
  [
    'a destination that refuses all',
    (sidecars) => {
      sidecars.refusing = refusing;
    },
  ],
])('%s makes all be compared again with growing pauses, until nothing fails', async (_, fail) => {
  const sidecars = new SlowSidecars();
  sidecars.fail = () => fail(sidecars);
  sidecars.turns.reconcile();
  await sidecars.pass(60);
  expect(sidecars.begun).toBeGreaterThan(4);
  expect(sidecars.begun).toBeLessThan(10);
  expect(sidecars.failures).toHaveLength(sidecars.begun);
  sidecars.fail = () => {
    sidecars.refusing = new Map();
  };
  await sidecars.pass(120);
  const { begun } = sidecars;
  await sidecars.pass(120);
  expect(sidecars.begun).toBe(begun);
});

test('a defect is thrown at the next turn', async () => {
  const sidecars = new SlowSidecars();
  sidecars.fail = () => {
    throw new TypeError('a defect');
  };
  sidecars.turns.reconcile();
  await sidecars.clock.pass(2 * minuteMs);
  expect(() => sidecars.turns.takeTurn()).toThrow('a defect');
});
