/** What the local stack and a process that runs a function say to each other. */
import { z } from 'zod';

export const invocationSchema = z.strictObject({
  requestId: z.string(),
  event: z.unknown(),
  /** When the function is ended, in milliseconds since 1970. */
  deadlineMs: z.number(),
});
export type Invocation = z.output<typeof invocationSchema>;

export const answerSchema = z.union([
  z.strictObject({ requestId: z.string(), result: z.unknown() }),
  z.strictObject({ requestId: z.string(), error: z.string() }),
]);
export type Answer = z.output<typeof answerSchema>;
