/** What a mirror tells while it goes on, beside what became of each instance. */
import type { Advice, ErrorCode } from '../errors.ts';
import type { StorePause } from './pause/pause-state.ts';

/** A store as events name it; `mirror` is all of them at once. */
export interface EventSubject {
  readonly role: 'source' | 'target' | 'archive' | 'mirror';
  readonly store: string;
}

/** Of a store that cannot be used: at first, and again whenever it was asked in vain. */
export interface AwayEvent extends EventSubject {
  readonly kind: 'away';
  /** A code of an error, or `paused`. */
  readonly code: string;
  /** What happened and what to do. */
  readonly reason: string;
  readonly advice?: Advice | undefined;
  /** How long it has been so; 0 at first. */
  readonly sinceMs: number;
  /** When it is asked again; `undefined` while somebody wants it to pause. */
  readonly askedAgainInMs: number | undefined;
}

export interface BackEvent extends EventSubject {
  readonly kind: 'back';
  readonly afterMs: number;
}

/** Of a part of the work that failed, and is done again later; what is new is copied all the same. */
export interface DelayedEvent {
  readonly kind: 'delayed';
  readonly what: 'comparison' | 'deletions' | 'sidecars';
  /** The store that failed, where one is known. */
  readonly store: string | undefined;
  readonly code: ErrorCode;
  readonly reason: string;
  readonly advice?: Advice | undefined;
}

export type MirrorEvent =
  | AwayEvent
  | BackEvent
  | DelayedEvent
  | { readonly kind: 'comparing'; readonly reason: string }
  | {
      readonly kind: 'compared';
      readonly instances: number;
      readonly copied: number;
      readonly durationMs: number;
      /** Names of the destinations that missed a part of it: without any it was complete. */
      readonly leftOut: readonly string[];
    }
  /** What came to the source was copied. `lagMs` since the source got the oldest of it, by the clocks of both machines. */
  | {
      readonly kind: 'arrived';
      readonly instances: number;
      readonly bytes: number;
      readonly lagMs: number | undefined;
    };

/** @returns what is to be told of a store that is paused */
export function awayEvent(subject: EventSubject, paused: StorePause, nowMs: number): AwayEvent {
  const { code, reason, advice, begunAt, probeAt } = paused;
  const askedAgainInMs = code === 'paused' ? undefined : Math.max(0, Date.parse(probeAt) - nowMs);
  return { ...subject, kind: 'away', code, reason, advice, sinceMs: nowMs - Date.parse(begunAt), askedAgainInMs };
}

/** @returns what is to be told of a store that was paused until now */
export function backEvent(subject: EventSubject, { begunAt }: StorePause, nowMs: number): BackEvent {
  return { ...subject, kind: 'back', afterMs: nowMs - Date.parse(begunAt) };
}
