/**
 * A process that runs one bundled function as the Lambda runtime does: loads the module once, then one invocation
 * after the other. Arguments: path of the module, name of the export, name of the function, its memory in MiB.
 */
import { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import { type Answer, invocationSchema } from './function-protocol.ts';

const [modulePath = '', exportName = '', functionName = '', memoryMiB = ''] = process.argv.slice(2);
/** A function that streams its answer, as a function URL that buffers gives it: whole, or not at all. */
class CollectedAnswer extends Writable {
  #prelude: object = {};
  readonly #chunks: Uint8Array[] = [];

  constructor() {
    super({
      write: (chunk, _encoding, done) => {
        this.#chunks.push(chunk);
        done();
      },
    });
  }

  begin(prelude: object): this {
    this.#prelude = prelude;
    return this;
  }

  result(): object {
    return { ...this.#prelude, body: Buffer.concat(this.#chunks).toString('base64'), isBase64Encoded: true };
  }
}

type StreamingHandler = (event: unknown, answer: CollectedAnswer, context: object) => Promise<void>;

/** Source: https://docs.aws.amazon.com/lambda/latest/dg/config-rs-write-functions.html */
Object.assign(globalThis, {
  awslambda: {
    streamifyResponse: (streaming: StreamingHandler) => async (event: unknown, context: object) => {
      const collected = new CollectedAnswer();
      await Promise.all([finished(collected), streaming(event, collected, context)]);
      return collected.result();
    },
    HttpResponseStream: { from: (answer: CollectedAnswer, prelude: object) => answer.begin(prelude) },
  },
});

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
