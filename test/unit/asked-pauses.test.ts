/** The pauses that somebody asked for, as a run on one machine respects them. */
import { expect, test } from 'vitest';
import { readAskedPauses } from '../../core/mirror/pause/asked-pauses.ts';
import { type Pause, pauseInMemory } from '../../core/mirror/pause/pause.ts';
import { wholeMirror, withPause, withPauseChanged } from '../../core/mirror/pause/pause-state.ts';

const now = () => new Date('2026-05-01T12:00:00Z');

async function paused(store: string, code = 'paused', change: object = {}): Promise<Pause> {
  const pause = pauseInMemory(now);
  await pause.change((state) =>
    withPause(state, store, { code, message: 'as asked' }, { now: now(), probeAfterMs: 1000 }),
  );
  await pause.change((state) => withPauseChanged(state, store, change));
  return pause;
}

test('a store that somebody paused is said to be, with since when and what ends it; the others are not', async () => {
  const asked = await readAskedPauses(await paused('standby'));
  expect(asked('standby')).toMatchObject({ code: 'paused' });
  expect(asked('standby')?.message).toMatch(/2026-05-01T12:00:00.*as asked.*resume/);
  expect(asked('archive')).toBeUndefined();
  expect(asked()).toBeUndefined();
});

test('a pause of the whole mirror holds for it and for each store', async () => {
  const asked = await readAskedPauses(await paused(wholeMirror));
  expect(asked()).toMatchObject({ code: 'paused' });
  expect(asked('standby')).toMatchObject({ code: 'paused' });
});

test('what a stack paused by itself is tried', async () => {
  const pause = await paused('standby', 'unreachable', { passed: true });
  expect((await readAskedPauses(pause))('standby')).toBeUndefined();
  expect((await pause.read()).pauses).toHaveProperty('standby');
});

test('a pause that somebody ended is taken away, unless a stack has to compare after it', async () => {
  const ended = await paused('standby', 'paused', { passed: true });
  expect((await readAskedPauses(ended))('standby')).toBeUndefined();
  expect((await ended.read()).pauses).toEqual({});
  const noted = await paused('standby', 'paused', { passed: true, compareAfter: true });
  expect((await readAskedPauses(noted))('standby')).toBeUndefined();
  expect((await noted.read()).pauses).toHaveProperty('standby');
});
