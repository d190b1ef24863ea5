/** What the failure of one message says about a store, and what it says about the message. */
import { describe, expect, test } from 'vitest';
import { MessageGate, type MessageGateOptions } from '../../core/cloud/transfer/message-gate.ts';
import type { CopyResult, Destination } from '../../core/copy/outcome.ts';
import { type ErrorCode, MirrorError } from '../../core/errors.ts';
import { pauseInMemory } from '../../core/mirror/pause/pause.ts';
import { withPause, withPauseChanged } from '../../core/mirror/pause/pause-state.ts';
import { MemoryStore, sampleId } from '../support/memory-store.ts';

const id = sampleId(1);
const now = new Date('2026-11-21T00:00:00Z');
const probeAfterMs = 60_000;
const mostSuspicions = 3;

function setUp() {
  const source = new MemoryStore('source');
  const target = new MemoryStore('target');
  const destination: Destination = { role: 'target', store: target };
  const pause = pauseInMemory(() => now);
  const gate = (options: Partial<MessageGateOptions> = {}) =>
    new MessageGate({
      mirror: 'main',
      source,
      destinations: [destination],
      pause,
      probeAfterMs,
      mostSuspicions,
      ...options,
    });
  const failed = (code: ErrorCode, at: 'source' | 'destination' = 'destination'): CopyResult => {
    const error = new MirrorError(code, 'why');
    return { id, md5: undefined, sizeBytes: undefined, outcomes: [{ destination, kind: 'failed', error, at }] };
  };
  const away = (store: MemoryStore) => {
    store.before = () => {
      throw new MirrorError('unreachable', 'nobody answers');
    };
  };
  const conclude = (result: CopyResult | undefined, options: Partial<MessageGateOptions> = {}) =>
    gate(options).conclude(id, { serve: [destination], waitsFor: undefined }, result);
  const hold = (code: ErrorCode, trial: typeof id | null = null) =>
    pause.change((state) =>
      withPause(state, 'target', new MirrorError(code, 'why'), { trial, now, probeAfterMs, random: 0.5 }),
    );
  return { source, target, destination, pause, gate, failed, away, conclude, hold };
}

describe('a failure', () => {
  test.each(['unreachable', 'busy', 'server-error'] as const)(
    'with "%s" of a store that still answers counts against the instance',
    async (code) => {
      const { conclude, failed, pause } = setUp();
      expect(await conclude(failed(code))).toMatchObject({ code, disposition: 'retry' });
      expect(await pause.read()).toMatchObject({ pauses: {}, suspects: {} });
    },
  );

  test('of a store that does not answer pauses the store, and costs the message nothing', async () => {
    const { conclude, failed, away, target, pause } = setUp();
    away(target);
    expect(await conclude(failed('busy'))).toMatchObject({
      code: 'busy',
      disposition: 'halt',
      retryAfterMs: probeAfterMs,
    });
    const { pauses, suspects } = await pause.read();
    expect(pauses).toMatchObject({ target: { code: 'unreachable', trial: null } });
    expect(suspects).toEqual({ target: { [id]: 1 } });
  });

  test('of the source pauses the source', async () => {
    const { conclude, failed, away, source, pause } = setUp();
    away(source);
    await conclude(failed('unreachable', 'source'));
    expect(Object.keys((await pause.read()).pauses)).toEqual(['source']);
  });

  test('that comes again and again as a store goes away makes a dead letter, at the configured count', async () => {
    const { conclude, failed, away, target } = setUp();
    away(target);
    const dispositions: unknown[] = [];
    for (let time = 1; time <= mostSuspicions; time += 1) {
      dispositions.push((await conclude(failed('unreachable')))?.disposition);
    }
    expect(dispositions).toEqual(['halt', 'halt', 'reject']);
  });

  test('that every instance would meet pauses a store that answers, until this instance gets through', async () => {
    const { conclude, failed, pause } = setUp();
    expect(await conclude(failed('full'))).toMatchObject({
      code: 'full',
      disposition: 'halt',
      retryAfterMs: probeAfterMs,
    });
    expect(await pause.read()).toMatchObject({ pauses: { target: { code: 'full', trial: id } }, suspects: {} });
  });

  test('of the instance alone is just told', async () => {
    const { conclude, failed, pause } = setUp();
    expect(await conclude(failed('refused'))).toMatchObject({ code: 'refused', disposition: 'reject' });
    expect((await pause.read()).pauses).toEqual({});
  });

  test('after the time is over says nothing about the store', async () => {
    const { conclude, failed, away, target, pause } = setUp();
    away(target);
    expect(await conclude(failed('unreachable'), { signal: AbortSignal.abort() })).toMatchObject({
      disposition: 'retry',
    });
    expect((await pause.read()).pauses).toEqual({});
  });

  test('at a store that a comparison will serve needs no message any more', async () => {
    const { conclude, failed, away, target, pause, hold } = setUp();
    away(target);
    await hold('unreachable');
    await pause.change((state) => withPauseChanged(state, 'target', { compareAfter: true }));
    expect(await conclude(failed('unreachable'))).toBeUndefined();
  });
});

describe('a hold', () => {
  test('closes its store, and the message waits', async () => {
    const { gate, hold } = setUp();
    await hold('unreachable');
    expect(await gate().admit(id)).toMatchObject({
      serve: [],
      waitsFor: { code: 'paused', retryAfterMs: probeAfterMs, message: expect.stringContaining('unreachable') },
    });
  });

  test('lets the instance through that is to try it, which alone ends it', async () => {
    const { destination, gate, conclude, pause, hold } = setUp();
    await hold('full', id);
    expect(await gate().admit(id)).toEqual({ serve: [destination], waitsFor: undefined });
    expect((await gate().admit(sampleId(2))).serve).toEqual([]);
    expect((await gate().admitSidecar()).withdrawn).toEqual(new Map([[destination, undefined]]));
    await gate().conclude(
      sampleId(2),
      { serve: [], waitsFor: undefined },
      {
        id: sampleId(2),
        md5: undefined,
        sizeBytes: undefined,
        outcomes: [{ destination, kind: 'copied' }],
      },
    );
    expect((await pause.read()).pauses.target?.passed).toBe(false);
    await conclude({ id, md5: undefined, sizeBytes: undefined, outcomes: [{ destination, kind: 'copied' }] });
    expect((await pause.read()).pauses.target?.passed).toBe(true);
  });

  test('of the whole mirror, or of the source, closes everything', async () => {
    for (const name of ['*', 'source']) {
      const { gate, pause } = setUp();
      await pause.change((state) => withPause(state, name, new MirrorError('paused', 'why'), { now, probeAfterMs }));
      expect(await gate().admit(id)).toMatchObject({ serve: [], waitsFor: { code: 'paused' } });
    }
  });

  test('after which everything is compared keeps no message waiting', async () => {
    const { gate, pause, hold } = setUp();
    await hold('unreachable');
    await pause.change((state) => withPauseChanged(state, 'target', { compareAfter: true }));
    expect(await gate().admit(id)).toEqual({ serve: [], waitsFor: undefined });
  });

  test('that is there is not begun anew', async () => {
    const { pause, hold } = setUp();
    await hold('full', id);
    const before = await pause.read();
    await hold('unreachable');
    expect(await pause.read()).toEqual(before);
  });
});

test('in a blackout nothing is served, and messages come back after an hour at most', async () => {
  const { gate } = setUp();
  for (const [minutes, waitMs] of [
    [10, 600_000],
    [600, 3_600_000],
  ] as const) {
    const closedUntil = new Date(now.getTime() + minutes * 60_000);
    const { serve, waitsFor } = await gate({ closedUntil }).admit(id);
    expect([serve, waitsFor?.code, waitsFor?.retryAfterMs]).toEqual([[], 'paused', waitMs]);
  }
});
