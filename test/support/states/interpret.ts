/** Runs a state machine on this machine: the states that the stack uses, as `language.ts` describes them. */
import { z } from 'zod';
import { type Retrier, type State, type StateMachine, stateMachineSchema, type Template } from './language.ts';

export interface StatesWorld {
  /** Invokes a function with a payload; @returns what it answers. What it throws is tried again as the state says. */
  readonly invoke: (functionName: string, payload: unknown) => Promise<unknown>;
  readonly readObject: (bucket: string, key: string) => Promise<string>;
  readonly writeObject: (bucket: string, key: string, text: string) => Promise<void>;
  /** Waits between two tries. */
  readonly wait: (seconds: number) => Promise<void>;
  readonly execution: string;
}

/** How often an execution changed from one state to the next: what AWS charges. */
export interface Ran {
  readonly output: unknown;
  readonly transitions: number;
  /** Most shards that were worked on at once. */
  readonly mostAtOnce: number;
}

/** Throws what a state throws whose tries are used up. */
export async function runStates(definition: unknown, input: unknown, world: StatesWorld): Promise<Ran> {
  const run = new Run(world);
  const output = await run.flow(stateMachineSchema.parse(definition), input);
  return { output, transitions: run.transitions, mostAtOnce: run.mostAtOnce };
}

const objectSchema = z.record(z.string(), z.unknown());
const invokeSchema = z.object({ FunctionName: z.string(), Payload: z.unknown() });
const readSchema = z.object({ Bucket: z.string(), Key: z.string() });
const writeSchema = z.object({ Bucket: z.string(), Prefix: z.string() });

class Run {
  transitions = 0;
  mostAtOnce = 0;
  #atOnce = 0;
  readonly #world: StatesWorld;

  constructor(world: StatesWorld) {
    this.#world = world;
  }

  async flow({ StartAt, States }: Pick<StateMachine, 'StartAt' | 'States'>, input: unknown): Promise<unknown> {
    let current = input;
    for (let name: string | undefined = StartAt; name !== undefined; ) {
      const state: State | undefined = States[name];
      if (state === undefined) throw new Error(`there is no state ${name}`);
      this.transitions += 1;
      current = state.Type === 'Task' ? await this.#task(state, current) : await this.#map(state, current);
      name = state.Next;
    }
    return current;
  }

  async #task(state: State & { Type: 'Task' }, input: unknown): Promise<unknown> {
    const { FunctionName, Payload } = invokeSchema.parse(this.#fill(state.Parameters, input));
    const answer = await this.#tried(state.Retry, () => this.#world.invoke(FunctionName, Payload));
    // What passes between states is JSON.
    const result = { Payload: throughJson(answer), StatusCode: 200 };
    const selected = state.ResultSelector === undefined ? result : this.#fill(state.ResultSelector, result);
    if (state.ResultPath === undefined) return selected;
    const [, field] = /^\$\.(\w+)$/.exec(state.ResultPath) ?? [];
    if (field === undefined) throw new Error(`${state.ResultPath} is not understood here`);
    return { ...objectSchema.parse(input), [field]: selected };
  }

  async #tried<Result>(retriers: readonly Retrier[], work: () => Promise<Result>): Promise<Result> {
    for (let tries = 0; ; tries += 1) {
      try {
        return await work();
      } catch (error) {
        const retrier = retriers.find(({ ErrorEquals }) => ErrorEquals.includes('States.ALL'));
        if (retrier === undefined || tries >= retrier.MaxAttempts) throw error;
        const { IntervalSeconds, BackoffRate, MaxDelaySeconds = Number.POSITIVE_INFINITY } = retrier;
        this.transitions += 1;
        await this.#world.wait(Math.min(MaxDelaySeconds, IntervalSeconds * BackoffRate ** tries));
      }
    }
  }

  async #map(state: State & { Type: 'Map' }, input: unknown): Promise<unknown> {
    const from = readSchema.parse(this.#fill(state.ItemReader.Parameters, input));
    const items = z.array(z.unknown()).parse(JSON.parse(await this.#world.readObject(from.Bucket, from.Key)));
    const { MaxItemsPerBatch } = state.ItemBatcher;
    const BatchInput = this.#fill(state.ItemBatcher.BatchInput, input);
    const batches = Array.from({ length: Math.ceil(items.length / MaxItemsPerBatch) }, (_, index) => ({
      BatchInput,
      Items: items.slice(index * MaxItemsPerBatch, (index + 1) * MaxItemsPerBatch),
    }));
    const outputs: unknown[] = [];
    const queue = batches.entries();
    const worker = async (): Promise<void> => {
      for (const [index, batch] of queue) {
        this.#atOnce += 1;
        this.mostAtOnce = Math.max(this.mostAtOnce, this.#atOnce);
        try {
          outputs[index] = await this.flow(state.ItemProcessor, throughJson(batch));
        } finally {
          this.#atOnce -= 1;
        }
      }
    };
    await Promise.all(Array.from({ length: state.MaxConcurrency || batches.length }, worker));
    const to = writeSchema.parse(this.#fill(state.ResultWriter.Parameters, input));
    const key = `${to.Prefix}/SUCCEEDED_0.json`;
    await this.#world.writeObject(to.Bucket, key, JSON.stringify(outputs));
    return { ResultWriterDetails: { Bucket: to.Bucket, Key: key } };
  }

  #fill(template: Template, input: unknown): Record<string, unknown> {
    return Object.fromEntries(
      Object.entries(template).map(([name, value]) => {
        if (name.endsWith('.$')) return [name.slice(0, -2), this.#at(z.string().parse(value), input)];
        const nested = objectSchema.safeParse(value);
        return [name, nested.success ? this.#fill(nested.data, input) : value];
      }),
    );
  }

  #at(path: string, input: unknown): unknown {
    const context = { Execution: { Name: this.#world.execution } };
    const [root, ...fields] = path.split('.');
    let found: unknown = root === '$$' ? context : input;
    for (const field of fields) {
      const within = objectSchema.parse(found);
      // As AWS does: a path that leads nowhere fails the execution.
      if (!Object.hasOwn(within, field)) throw new Error(`States.ParameterPathFailure: ${path}`);
      found = within[field];
    }
    return found;
  }
}

function throughJson(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}
