/**
 * The rules of Amazon States Language for the states that the stack uses. What is not named here is refused: also a field that
 * the language has and nobody has thought about here. Source: https://states-language.net/spec.html
 */
import { z } from 'zod';

const stateNameSchema = z.string().min(1).max(80);
/** A path into the input, or into the context of the execution. */
const pathSchema = z.string().regex(/^\$\$?(?:\.\w+)*$/, 'is no path that is understood here');

/** Values, of which those whose name ends in `.$` are paths. */
const templateSchema: z.ZodType<Template> = z.lazy(() =>
  z.record(z.string(), z.unknown()).superRefine((fields, context) => {
    for (const [name, value] of Object.entries(fields)) {
      const result = name.endsWith('.$')
        ? pathSchema.safeParse(value)
        : typeof value === 'object' && value !== null && !Array.isArray(value)
          ? templateSchema.safeParse(value)
          : { success: true };
      if (!result.success) context.addIssue({ code: 'custom', path: [name], message: 'is no path or template' });
    }
  }),
);
export type Template = Readonly<Record<string, unknown>>;

const retrierSchema = z
  .strictObject({
    ErrorEquals: z.array(z.string().min(1)).min(1),
    IntervalSeconds: z.int().min(1).max(99_999_999).default(1),
    BackoffRate: z.number().min(1).default(2),
    MaxDelaySeconds: z.int().min(1).max(31_622_400).optional(),
    MaxAttempts: z.int().min(0).max(99_999_999).default(3),
    JitterStrategy: z.enum(['FULL', 'NONE']).default('NONE'),
  })
  .refine(({ MaxDelaySeconds = Number.POSITIVE_INFINITY, IntervalSeconds }) => MaxDelaySeconds > IntervalSeconds, {
    error: 'MaxDelaySeconds must be greater than IntervalSeconds',
  });
export type Retrier = z.output<typeof retrierSchema>;

const retrySchema = z.array(retrierSchema).superRefine((retriers, context) => {
  for (const [index, { ErrorEquals }] of retriers.entries()) {
    if (!ErrorEquals.includes('States.ALL')) continue;
    if (ErrorEquals.length > 1) context.addIssue({ code: 'custom', message: 'States.ALL must stand alone' });
    if (index < retriers.length - 1) context.addIssue({ code: 'custom', message: 'States.ALL must stand in the last' });
  }
});

/** Where a state leads: exactly one of the two. */
const transition = { Next: stateNameSchema.optional(), End: z.literal(true).optional() };

const taskSchema = z.strictObject({
  Type: z.literal('Task'),
  Resource: z.literal('arn:aws:states:::lambda:invoke'),
  Parameters: templateSchema,
  ResultSelector: templateSchema.optional(),
  ResultPath: pathSchema.optional(),
  Retry: retrySchema.default([]),
  ...transition,
});

/** Why it is wrong where a state has both or none. */
const oneTransition = { error: 'needs either Next or End' };
const hasOneTransition = ({ Next, End }: { readonly Next?: unknown; readonly End?: unknown }) =>
  (Next === undefined) !== (End === undefined);

/** What is done for each batch: tasks. */
const processorSchema = z
  .strictObject({
    ProcessorConfig: z.strictObject({ Mode: z.literal('DISTRIBUTED'), ExecutionType: z.enum(['STANDARD', 'EXPRESS']) }),
    StartAt: stateNameSchema,
    States: z.record(stateNameSchema, taskSchema.refine(hasOneTransition, oneTransition)),
  })
  .superRefine(requireFlow);

const mapSchema = z.strictObject({
  Type: z.literal('Map'),
  Label: z
    .string()
    .max(40)
    .regex(/^[\w-]+$/),
  MaxConcurrency: z.int().min(0).max(10_000),
  ItemReader: z.strictObject({
    Resource: z.literal('arn:aws:states:::s3:getObject'),
    ReaderConfig: z.strictObject({ InputType: z.literal('JSON') }),
    Parameters: templateSchema,
  }),
  ItemBatcher: z.strictObject({ MaxItemsPerBatch: z.int().min(1), BatchInput: templateSchema }),
  ItemProcessor: processorSchema,
  ResultWriter: z.strictObject({ Resource: z.literal('arn:aws:states:::s3:putObject'), Parameters: templateSchema }),
  ...transition,
});

const stateSchema = z.discriminatedUnion('Type', [taskSchema, mapSchema]).refine(hasOneTransition, oneTransition);
export type State = z.output<typeof stateSchema>;

/** Every state is there, and reached. */
function requireFlow(
  {
    StartAt,
    States,
  }: {
    readonly StartAt: string;
    readonly States: Readonly<Record<string, { readonly Next?: string | undefined }>>;
  },
  context: z.RefinementCtx,
): void {
  const reached = new Set<string>();
  for (let name: string | undefined = StartAt; name !== undefined && !reached.has(name); name = States[name]?.Next) {
    reached.add(name);
    if (States[name] === undefined) context.addIssue({ code: 'custom', message: `there is no state ${name}` });
  }
  for (const name of Object.keys(States)) {
    if (!reached.has(name)) context.addIssue({ code: 'custom', message: `nothing leads to ${name}` });
  }
}

export const stateMachineSchema = z
  .strictObject({
    Comment: z.string().optional(),
    StartAt: stateNameSchema,
    States: z.record(stateNameSchema, stateSchema),
  })
  .superRefine(requireFlow);
export type StateMachine = z.output<typeof stateMachineSchema>;
