/**
 * The pauses that somebody asked for, as a run on one machine respects them. What a stack pauses by itself, because a
 * server is away, such a run finds out by itself.
 */
import { MirrorError } from '../../errors.ts';
import type { Pause } from './pause.ts';
import { pauseOn, type StorePause, wholeMirror, withoutPauses } from './pause-state.ts';

/** @returns why a store (absent: the whole mirror) is paused; `undefined` if it is not */
export type AskedPauses = (store?: string) => MirrorError | undefined;

/** Reads the pauses, and takes away those that somebody ended. */
export async function readAskedPauses(pause: Pause): Promise<AskedPauses> {
  const found = await pause.read();
  const ended = Object.entries(found.pauses).flatMap(([store, paused]) => (isEnded(paused) ? [store] : []));
  const state =
    ended.length === 0 ? found : await pause.change((present) => withoutPauses(present, ended, pause.now()));
  return (store = wholeMirror) => {
    const paused = pauseOn(state, store);
    if (paused === undefined || paused.code !== 'paused' || paused.passed) return undefined;
    const { begunAt, reason } = paused;
    return new MirrorError('paused', `paused since ${begunAt} (${reason}); "orthanc-mirror resume" lets it go on`);
  };
}

/** What must be compared afterwards is left to the stack that noted it. */
function isEnded({ code, passed, compareAfter }: StorePause): boolean {
  return code === 'paused' && passed && !compareAfter;
}
