/**
 * Copies many instances in parallel: as many at once as the destinations take well, in passes, so that what failed
 * for a passing reason is tried again after everything else, and an instance that takes a server down with it cannot
 * keep the others from getting through.
 */
import { evenClock } from '../clock.ts';
import type { MirrorError } from '../errors.ts';
import { AdaptiveConcurrency } from './adaptive-concurrency.ts';
import type { CopyManyOptions } from './copy-context.ts';
import { CopyPass, type Pending, Standstill } from './copy-pass.ts';
import type { CopyRequest } from './decide.ts';
import type { Destination } from './outcome.ts';

/** Whether something stopped the work before its end. */
export interface CopyManyEnd {
  /** Why the source can give nothing more; the rest of the requests was not looked at. */
  readonly stoppedBy: MirrorError | undefined;
  /** Destinations that refuse everything or stayed away, with the reason; the others were served to the end. */
  readonly withdrawn: ReadonlyMap<Destination, MirrorError>;
}

/** What failed is tried again before everything else has been looked at when it is so much, … */
const mostAgain = 1000;
/** … or when it has waited so long. */
const longestAgainMs = 30_000;

/** Copies everything that `requests` yields. Throws only what `requests` throws, after what runs has ended. */
export async function copyMany(requests: AsyncIterable<CopyRequest>, options: CopyManyOptions): Promise<CopyManyEnd> {
  const standstill = new Standstill(options);
  const concurrency = new AdaptiveConcurrency({ ceiling: options.ceiling });
  const stream = requests[Symbol.asyncIterator]();
  const state = { hasEnded: false };
  try {
    while (!state.hasEnded) {
      const pass = new CopyPass(options, concurrency, standstill, (options.attempts ?? usualAttempts) === 1);
      await tryAgain(await pass.run(pendingOf(stream, pass, state)), standstill, options);
      // Nothing more can be copied: what is left of the requests is not looked at.
      if (pass.hasStopped) break;
    }
  } finally {
    await stream.return?.();
  }
  return standstill;
}

const usualAttempts = 4;

/** The passes after the first; they begin one by one, the last one stays so: a neighbour's crash is nobody else's failure. */
async function tryAgain(failed: readonly Pending[], standstill: Standstill, options: CopyManyOptions): Promise<void> {
  const { attempts = usualAttempts, ceiling, clock = evenClock, signal } = options;
  let todo = failed;
  for (let attempt = 2; todo.length > 0; attempt += 1) {
    await clock.wait(Math.random() * 250 * 2 ** attempt, signal);
    const last = attempt >= attempts;
    const concurrency = new AdaptiveConcurrency({ start: 1, ceiling: last ? 1 : ceiling });
    todo = await new CopyPass(options, concurrency, standstill, last).run(todo);
  }
}

/** The requests until what failed must be tried again; the rest stays in the stream. */
async function* pendingOf(
  stream: AsyncIterator<CopyRequest>,
  pass: CopyPass,
  state: { hasEnded: boolean },
): AsyncGenerator<Pending> {
  while (pass.again.length < mostAgain && performance.now() - pass.firstFailureAtMs < longestAgainMs) {
    const next = await stream.next();
    if (next.done === true) {
      state.hasEnded = true;
      return;
    }
    yield { request: next.value, failures: [] };
  }
}
