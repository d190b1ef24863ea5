/** Pausing and resuming because somebody says so. */
import type { Pause } from './pause.ts';
import {
  nothingPaused,
  type PauseState,
  type StorePause,
  wholeMirror,
  withPause,
  withPauseChanged,
} from './pause-state.ts';

/** Leaves a store, or the whole mirror, alone until {@link askToResume}. */
export async function askToPause(pause: Pause, reason: string, store: string = wholeMirror): Promise<void> {
  await pause.change((state) => {
    const error = { code: 'paused', message: reason };
    const { [store]: found, ...pauses } = state.pauses;
    // What was paused for another reason is now paused because somebody wants it: no probe ends that.
    const after = withPause({ ...state, pauses }, store, error, { now: pause.now(), probeAfterMs: 0 });
    return found === undefined ? after : withPauseChanged(after, store, { compareAfter: found.compareAfter });
  });
}

/**
 * Ends every pause, or the one on a store, at the next tick, which compares first if messages were not kept for it.
 * @returns what was paused
 */
export async function askToResume(pause: Pause, store?: string): Promise<Readonly<Record<string, StorePause>>> {
  let ended: PauseState['pauses'] = nothingPaused.pauses;
  await pause.change((state) => {
    ended = Object.fromEntries(Object.entries(state.pauses).filter(([name]) => store === undefined || name === store));
    return Object.keys(ended).reduce((changed, name) => withPauseChanged(changed, name, { passed: true }), state);
  });
  return ended;
}
