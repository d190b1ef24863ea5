/**
 * Who is asked, answers and fails, for whoever shows it while a command works. One for the process, so that no store has to
 * be given it; it costs nothing where nobody listens, and decides nothing. Names of stores and errors only.
 */
import { isMirrorError, type MirrorError } from '../errors.ts';

export interface Activity {
  /** Name of the store. */
  readonly store: string;
  readonly kind: 'asked' | 'answered' | 'failed';
  /** Why it failed. */
  readonly error?: MirrorError | undefined;
}

const listeners = new Set<(activity: Activity) => void>();

/** Makes a call to a store, and tells who listens. */
export async function telling<T>(store: string, call: () => Promise<T>): Promise<T> {
  if (listeners.size === 0) return call();
  publish({ store, kind: 'asked' });
  try {
    const answer = await call();
    publish({ store, kind: 'answered' });
    return answer;
  } catch (error) {
    publish({ store, kind: 'failed', error: isMirrorError(error) ? error : undefined });
    throw error;
  }
}

/** @returns what ends the listening */
export function onActivity(listener: (activity: Activity) => void): Disposable {
  listeners.add(listener);
  return { [Symbol.dispose]: () => void listeners.delete(listener) };
}

function publish(activity: Activity): void {
  for (const listener of listeners) listener(activity);
}
