/** Runs tests against defects, each in the time that its tests need: a defect that never ends is found as well. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { z } from 'zod';
import type { Mutant } from './mutants.ts';

/** A test that takes longer without any defect is not used. */
const longestMs = 120_000;
const answer = z.object({ passed: z.boolean() });

export class Trials implements AsyncDisposable {
  #worker: Worker | undefined;
  /** What each test takes without a defect; `undefined` when it fails here, so that it says nothing. */
  readonly #tookMs = new Map<string, number | undefined>();

  /** @returns whether the test passes with the defect; `undefined` if it fails without any, so that it says nothing */
  async passes(test: string, { file, text }: Mutant): Promise<boolean | undefined> {
    const tookMs = await this.#timed(test);
    // A machine that others use is slower at times; what never ends is met seldom, so patience costs little.
    return tookMs === undefined ? undefined : this.#run({ test, file, text }, 15_000 + 5 * Math.ceil(tookMs));
  }

  async #timed(test: string): Promise<number | undefined> {
    if (!this.#tookMs.has(test)) {
      const begun = performance.now();
      const passed = await this.#run({ test }, longestMs);
      if (!passed) console.error(`${test} fails without any defect, and is not used`);
      this.#tookMs.set(test, passed ? performance.now() - begun : undefined);
    }
    return this.#tookMs.get(test);
  }

  /** Whether the test passed within the time. */
  async #run(trial: { test: string; file?: string; text?: string }, timeoutMs: number): Promise<boolean> {
    this.#worker ??= await started();
    const { worker, exited } = this.#worker;
    const ended = AbortSignal.any([exited, AbortSignal.timeout(timeoutMs)]);
    worker.send(trial);
    try {
      const [message] = await once(worker, 'message', { signal: ended });
      return answer.parse(message).passed;
    } catch (error) {
      if (!ended.aborted) throw error;
      await this[Symbol.asyncDispose]();
      return false;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { worker, exited } = this.#worker ?? {};
    this.#worker = undefined;
    if (worker === undefined || exited?.aborted === true) return;
    worker.kill('SIGKILL');
    await once(worker, 'exit');
  }
}

interface Worker {
  readonly worker: ChildProcess;
  /** Aborted when the process is gone, for whatever reason. */
  readonly exited: AbortSignal;
}

async function started(): Promise<Worker> {
  const worker = fork(join(import.meta.dirname, 'trial-worker.ts'), { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const exited = new AbortController();
  worker.once('exit', () => exited.abort());
  await once(worker, 'message', { signal: exited.signal });
  return { worker, exited: exited.signal };
}
