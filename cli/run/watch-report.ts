/** What a watch tells: a line for each event, and a sign of life every minute. */
import type { AwayEvent, DelayedEvent, EventSubject, MirrorEvent } from '../../core/mirror/mirror-events.ts';
import type { MirrorObserver } from '../../core/mirror/mirror-run.ts';
import { formatBytes, formatCount, formatDuration } from '../format.ts';
import { withNextStep } from '../next-steps.ts';
import { type ShownProgress, startProgress } from '../progress.ts';
import type { Terminal } from '../terminal.ts';
import { progressObserver } from './run-progress.ts';

/** What a sign of life tells. */
export interface Life {
  /** Instances that were copied since the watch began. */
  readonly copied: number;
  readonly bytes: number;
  /** Since something was copied for the last time; `undefined` if nothing ever was. */
  readonly quietMs: number | undefined;
  readonly comparing: boolean;
  /** Stores that cannot be used, with how long that has been so. */
  readonly away: readonly (EventSubject & { readonly sinceMs: number })[];
}

const signOfLifeMs = 60_000;

export type WatchObserver = MirrorObserver & Disposable & Required<Pick<MirrorObserver, 'onEvent'>>;

/** @returns an observer that prints; disposing of it ends the signs of life */
export function watchObserver(terminal: Terminal, { json }: { readonly json: boolean }): WatchObserver {
  return new WatchReport(terminal, json);
}

class WatchReport implements WatchObserver {
  readonly #terminal: Terminal;
  readonly #json: boolean;
  readonly #timer: NodeJS.Timeout;
  readonly #away = new Map<string, { readonly subject: EventSubject; readonly sinceMs: number }>();
  #copied = { instances: 0, bytes: 0, atMs: Number.NaN };
  /** The progress of the comparison that is under way. */
  #progress: MirrorObserver | undefined;
  #shown: ShownProgress | undefined;

  constructor(terminal: Terminal, json: boolean) {
    this.#terminal = terminal;
    this.#json = json;
    this.#timer = setInterval(() => {
      this.#terminal.end();
      this.#print('alive', { ...this.#life() }, lifeText(this.#life()));
    }, signOfLifeMs);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#end();
  }

  #begin(): void {
    this.#end();
    this.#shown = startProgress(this.#terminal, 'listing');
    this.#progress = progressObserver(this.#shown);
  }

  #end(): void {
    this.#shown?.[Symbol.dispose]();
    this.#shown = undefined;
    this.#progress = undefined;
  }

  readonly onEvent = (told: MirrorEvent): void => {
    const event = withOption(told);
    const { kind, ...fields } = event;
    if (kind === 'comparing') this.#begin();
    if (kind === 'compared') this.#end();
    if (event.kind === 'away') this.#away.set(event.store, { subject: event, sinceMs: Date.now() - event.sinceMs });
    if (event.kind === 'back') this.#away.delete(event.store);
    this.#print(kind, fields, eventText(event));
  };

  readonly onResult: NonNullable<MirrorObserver['onResult']> = (result) => {
    if (result.outcomes.some(({ kind }) => kind === 'copied')) {
      const { instances, bytes } = this.#copied;
      this.#copied = { instances: instances + 1, bytes: bytes + (result.sizeBytes ?? 0), atMs: Date.now() };
    }
    this.#progress?.onResult?.(result);
  };

  readonly onPlanned: NonNullable<MirrorObserver['onPlanned']> = (request) => this.#progress?.onPlanned?.(request);
  readonly onCompared: NonNullable<MirrorObserver['onCompared']> = (id) => this.#progress?.onCompared?.(id);
  readonly onPlanComplete: NonNullable<MirrorObserver['onPlanComplete']> = () => this.#progress?.onPlanComplete?.();

  #life(): Life {
    const { instances, bytes, atMs } = this.#copied;
    return {
      copied: instances,
      bytes,
      quietMs: Number.isNaN(atMs) ? undefined : Date.now() - atMs,
      comparing: this.#progress !== undefined,
      away: [...this.#away.values()].map(({ subject: { role, store }, sinceMs }) => ({
        role,
        store,
        sinceMs: Date.now() - sinceMs,
      })),
    };
  }

  #print(type: string, fields: Readonly<Record<string, unknown>>, text: string): void {
    const at = new Date().toISOString();
    if (this.#json) this.#terminal.printJson({ type, at, ...fields });
    else this.#terminal.say(`${at.slice(0, 19)}Z ${text}`);
  }
}

/** The event with a reason that says which option helps. */
function withOption(event: MirrorEvent): MirrorEvent {
  if (event.kind !== 'away' && event.kind !== 'delayed') return event;
  const { advice, ...fields } = event;
  return { ...fields, reason: withNextStep(event.reason, advice) };
}

/** An event as a line of text. */
export function eventText(event: MirrorEvent): string {
  switch (event.kind) {
    case 'away':
      return awayText(event);
    case 'back':
      return `${subjectText(event)} can be used again after ${formatDuration(event.afterMs)}`;
    case 'delayed':
      return delayText(event);
    case 'comparing':
      return `comparing everything: ${event.reason}`;
    case 'compared': {
      const { instances, copied, durationMs, leftOut } = event;
      const without = leftOut.length === 0 ? '' : `; ${leftOut.join(', ')} missed a part of it`;
      return `compared ${formatCount(instances)} instances in ${formatDuration(durationMs)}, copied ${formatCount(copied)}${without}`;
    }
    case 'arrived': {
      const { instances, bytes, lagMs } = event;
      const lag = lagMs === undefined ? '' : `, ${formatDuration(lagMs)} after the source got the first`;
      return `copied ${formatCount(instances)} new instance${instances === 1 ? '' : 's'}, ${formatBytes(bytes)}${lag}`;
    }
  }
}

function awayText(event: AwayEvent): string {
  const { reason, code, sinceMs, askedAgainInMs } = event;
  if (askedAgainInMs === undefined) return `${subjectText(event)} rests: ${reason}`;
  const state = sinceMs < 1000 ? 'cannot be used' : `has not been usable for ${formatDuration(sinceMs)}`;
  return `${subjectText(event)} ${state}: ${reason} (${code}); asked again in ${formatDuration(askedAgainInMs)}`;
}

const delayed: Readonly<Record<DelayedEvent['what'], string>> = {
  comparison: 'the comparison goes on without one destination',
  deletions: 'the archive cannot keep what is gone from the source',
  sidecars: 'not all sidecars are equal',
};

function delayText({ what, reason, code }: DelayedEvent): string {
  return `${delayed[what]}, and is tried again later: ${reason} (${code})`;
}

/** A sign of life as a line of text. */
export function lifeText({ copied, bytes, quietMs, comparing, away }: Life): string {
  const news = quietMs === undefined ? 'nothing copied yet' : `last copied ${formatDuration(quietMs)} ago`;
  const left = away.map((one) => `${subjectText(one)} for ${formatDuration(one.sinceMs)}`);
  return [
    `${comparing ? 'comparing' : 'watching'}: ${formatCount(copied)} instances copied (${formatBytes(bytes)}), ${news}`,
    ...(left.length === 0 ? [] : [`not usable: ${left.join(', ')}`]),
  ].join('; ');
}

function subjectText({ role, store }: EventSubject): string {
  return role === 'mirror' ? 'the whole mirror' : `${role} ${store}`;
}
