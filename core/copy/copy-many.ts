/**
 * Copies many instances in parallel: as many at once as the destinations take well, in passes, so that what failed
 * for a passing reason is tried again after everything else, and an instance that takes a server down with it cannot
 * keep the others from getting through.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { MirrorError } from '../errors.ts';
import type { CopyContext } from './copy-instance.ts';
import { CopyPass, type Pending, Standstill } from './copy-pass.ts';
import type { CopyRequest } from './decide.ts';
import type { CopyResult, Destination } from './outcome.ts';

export interface CopyManyOptions extends CopyContext {
  /** Most copies at once. */
  readonly ceiling: number;
  /** How often an instance is tried before it is reported as failed; default 4. */
  readonly attempts?: number;
  /** How long to wait for a server that went away before it is given up; default one minute. */
  readonly patienceMs?: number;
  /** May change what became of an instance before it is reported, such as replacing a target's version. */
  readonly settle?: (result: CopyResult) => Promise<CopyResult>;
  /** Called once for each instance that was begun, with its final outcome at every destination. */
  readonly onResult: (result: CopyResult) => void;
  /** After this no new copy starts; what runs is finished. */
  readonly draining?: AbortSignal | undefined;
}

/** Whether something stopped the work before its end. */
export interface CopyManyEnd {
  /** Why the source can give nothing more; the rest of the requests was not looked at. */
  readonly stoppedBy: MirrorError | undefined;
  /** Destinations that refuse everything or stayed away, with the reason; the others were served to the end. */
  readonly withdrawn: ReadonlyMap<Destination, MirrorError>;
}

/** Copies everything that `requests` yields. Throws only what `requests` throws, after what runs has ended. */
export async function copyMany(requests: AsyncIterable<CopyRequest>, options: CopyManyOptions): Promise<CopyManyEnd> {
  const { attempts = 4, patienceMs = 60_000, signal } = options;
  const standstill = new Standstill(options.source, patienceMs, signal);
  let todo: AsyncIterable<Pending> | Iterable<Pending> = pendingOf(requests);
  for (let attempt = 1; ; attempt += 1) {
    const last = attempt >= attempts;
    // Later passes begin one by one, the last one stays so: a neighbour's crash is then nobody else's failure.
    const limits = attempt === 1 ? { ceiling: options.ceiling } : { start: 1, ceiling: last ? 1 : options.ceiling };
    const again = await new CopyPass(options, limits, standstill, last).run(todo);
    if (again.length === 0) return standstill;
    todo = again;
    await delay(Math.random() * 250 * 2 ** attempt, undefined, { signal }).catch(() => undefined);
  }
}

async function* pendingOf(requests: AsyncIterable<CopyRequest>): AsyncGenerator<Pending> {
  for await (const request of requests) yield { request, failures: [] };
}
