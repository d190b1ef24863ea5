/**
 * A process that runs one bundled function as the Lambda runtime does: loads the module once, then one invocation
 * after the other. Arguments: path of the module, name of the export, name of the function, its memory in MiB.
 */
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import { type Answer, invocationSchema } from './function-protocol.ts';

const [modulePath = '', exportName = '', functionName = '', memoryMiB = ''] = process.argv.slice(2);
const handlerSchema = z.custom<(event: unknown, context: object) => unknown>((value) => typeof value === 'function');
const loaded = z.record(z.string(), z.unknown()).parse(await import(pathToFileURL(modulePath).href));
const handler = handlerSchema.parse(loaded[exportName]);

process.on('message', (message) => {
  const { requestId, event, deadlineMs } = invocationSchema.parse(message);
  const context = {
    callbackWaitsForEmptyEventLoop: false,
    functionName,
    functionVersion: '$LATEST',
    invokedFunctionArn: `arn:aws:lambda:us-east-1:000000000000:function:${functionName}`,
    memoryLimitInMB: memoryMiB,
    awsRequestId: requestId,
    logGroupName: `/aws/lambda/${functionName}`,
    logStreamName: String(process.pid),
    getRemainingTimeInMillis: () => deadlineMs - Date.now(),
  };
  const answer = (fields: { result: unknown } | { error: string }): void => {
    const text: Answer = { requestId, ...fields };
    process.send?.(text);
  };
  Promise.resolve()
    .then(() => handler(event, context))
    .then((result) => answer({ result: result ?? null }))
    .catch((error: unknown) =>
      answer({ error: error instanceof Error ? `${error.name}: ${error.message}` : String(error) }),
    );
});
process.on('disconnect', () => process.exit());
