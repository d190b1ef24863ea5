/** Pausing and resuming because somebody says so. */
import type { Pause } from './pause.ts';
import { type Hold, nothingHeld, type PauseState, wholeMirror, withHold, withHoldChanged } from './pause-state.ts';

/** Leaves a store, or the whole mirror, alone until {@link askToResume}. */
export async function askToPause(pause: Pause, reason: string, store: string = wholeMirror): Promise<void> {
  await pause.change((state) => {
    const error = { code: 'paused', message: reason };
    const { [store]: found, ...holds } = state.holds;
    // What was held for another reason is now held because somebody wants it: no probe ends that.
    const held = withHold({ ...state, holds }, store, error, { now: pause.now(), probeAfterMs: 0 });
    return found === undefined ? held : withHoldChanged(held, store, { compareAfter: found.compareAfter });
  });
}

/**
 * Ends every hold, or the one on a store, at the next tick, which compares first if messages were not kept for it.
 * @returns what was held
 */
export async function askToResume(pause: Pause, store?: string): Promise<Readonly<Record<string, Hold>>> {
  let ended: PauseState['holds'] = nothingHeld.holds;
  await pause.change((state) => {
    ended = Object.fromEntries(Object.entries(state.holds).filter(([name]) => store === undefined || name === store));
    return Object.keys(ended).reduce((changed, name) => withHoldChanged(changed, name, { passed: true }), state);
  });
  return ended;
}
