/** Runs a bundled function in processes of its own, as many at once as are asked for, and reuses idle ones. */
import { type ChildProcess, fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Answer, answerSchema, type Invocation } from './function-protocol.ts';
import type { FunctionResource } from './template.ts';

const hostFile = fileURLToPath(new URL('function-host.ts', import.meta.url));

/** As many invocations as are reserved for the function are under way already. */
export class ThrottledError extends Error {}

export class LocalFunction {
  readonly #resource: FunctionResource;
  readonly #environment: Readonly<Record<string, string>>;
  readonly #onLine: (line: string) => void;
  readonly #idle: ChildProcess[] = [];
  readonly #all = new Set<ChildProcess>();
  #inFlight = 0;
  #stopped = false;

  /**
   * @param environment what the template sets, resolved, plus what the Lambda service sets; nothing is inherited
   * @param onLine gets every line that the function logs
   */
  constructor(
    resource: FunctionResource,
    environment: Readonly<Record<string, string>>,
    onLine: (line: string) => void,
  ) {
    this.#resource = resource;
    this.#environment = environment;
    this.#onLine = onLine;
  }

  get name(): string {
    return this.#resource.name;
  }

  /**
   * Resolves with what the handler returns; throws what it threw (as text), that it was ended after its timeout, or
   * {@link ThrottledError}.
   */
  async invoke(event: unknown): Promise<unknown> {
    if (this.#stopped) {
      throw new Error(`the function ${this.name} was stopped`);
    }
    if (this.#inFlight >= this.#resource.reservedConcurrency) {
      throw new ThrottledError(`the function ${this.name} is invoked too often at once`);
    }
    this.#inFlight += 1;
    try {
      return await this.#invokeIdle(event);
    } finally {
      this.#inFlight -= 1;
    }
  }

  /** Ends every process; invocations that are under way fail. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all([...this.#all].map(end));
  }

  async #invokeIdle(event: unknown): Promise<unknown> {
    const child = this.#idle.pop() ?? this.#start();
    const timeoutMs = this.#resource.timeoutSeconds * 1000;
    const invocation: Invocation = { requestId: randomUUID(), event, deadlineMs: Date.now() + timeoutMs };
    const answer = await this.#ask(child, invocation, timeoutMs);
    this.#idle.push(child);
    if ('error' in answer) {
      throw new Error(answer.error);
    }
    return answer.result;
  }

  async #ask(child: ChildProcess, invocation: Invocation, timeoutMs: number): Promise<Answer> {
    const ended = new AbortController();
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
    try {
      const answered = once(child, 'message', { signal: ended.signal });
      const exited = once(child, 'exit', { signal: ended.signal }).then(() => undefined);
      child.send(invocation);
      const message = await Promise.race([answered, exited]);
      if (message === undefined) {
        throw new Error(`the function ${this.name} ended before it answered: timeout or crash`);
      }
      return answerSchema.parse(message[0]);
    } finally {
      clearTimeout(timer);
      ended.abort();
    }
  }

  #start(): ChildProcess {
    const { codeFolder, handler, memoryMiB } = this.#resource;
    const [file = 'index', exportName = 'handler'] = handler.split('.');
    const child = fork(hostFile, [join(codeFolder, `${file}.mjs`), exportName, this.name, String(memoryMiB)], {
      cwd: codeFolder,
      env: { ...this.#environment },
      execArgv: [],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.#all.add(child);
    child.once('exit', () => {
      this.#all.delete(child);
      const position = this.#idle.indexOf(child);
      if (position >= 0) {
        this.#idle.splice(position, 1);
      }
    });
    for (const stream of [child.stdout, child.stderr]) {
      if (stream !== null) {
        createInterface({ input: stream }).on('line', this.#onLine);
      }
    }
    return child;
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) {
    return;
  }
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}
