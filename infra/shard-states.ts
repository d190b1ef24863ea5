/**
 * The state machine that works in shards, in Amazon States Language. Pure. Sources:
 * https://states-language.net/spec.html and https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html
 */

export interface ShardStatesOptions {
  readonly functionArn: string;
  readonly bucketName: string;
  readonly maxConcurrency: number;
  readonly shardsPerInvocation: number;
}

/**
 * Whatever fails is tried again for some hours: a server that is away comes back. What an instance itself is to blame for is
 * left to the queue by the function, and is no failure here.
 */
const retry = [
  {
    ErrorEquals: ['States.ALL'],
    IntervalSeconds: 30,
    BackoffRate: 2,
    MaxDelaySeconds: 1800,
    MaxAttempts: 12,
    JitterStrategy: 'FULL',
  },
] as const;

/**
 * Begun with `{"mirror": "name", "work": "copy" | "verify"}`. A shard that fails for good ends it: nothing is tolerated,
 * because then a server is away, and a redrive goes on with what is not done.
 */
export function shardStates(options: ShardStatesOptions) {
  const { functionArn, bucketName, maxConcurrency, shardsPerInvocation } = options;
  return {
    Comment: 'Copies every study of a mirror, or reads its whole archive back, in shards.',
    StartAt: 'Plan',
    States: {
      Plan: {
        Type: 'Task',
        Resource: 'arn:aws:states:::lambda:invoke',
        Parameters: {
          FunctionName: functionArn,
          Payload: {
            plan: { 'mirror.$': '$.mirror', 'work.$': '$.work', 'execution.$': '$$.Execution.Name' },
          },
        },
        ResultSelector: { 'manifest.$': '$.Payload.manifest', 'results.$': '$.Payload.results' },
        ResultPath: '$.planned',
        Retry: retry,
        Next: 'Shards',
      },
      Shards: {
        Type: 'Map',
        Label: 'Shards',
        MaxConcurrency: maxConcurrency,
        ItemReader: {
          Resource: 'arn:aws:states:::s3:getObject',
          ReaderConfig: { InputType: 'JSON' },
          Parameters: { Bucket: bucketName, 'Key.$': '$.planned.manifest' },
        },
        ItemBatcher: {
          MaxItemsPerBatch: shardsPerInvocation,
          BatchInput: { 'mirror.$': '$.mirror', 'work.$': '$.work' },
        },
        ItemProcessor: {
          // Express ones end after five minutes.
          ProcessorConfig: { Mode: 'DISTRIBUTED', ExecutionType: 'STANDARD' },
          StartAt: 'Work',
          States: {
            Work: {
              Type: 'Task',
              Resource: 'arn:aws:states:::lambda:invoke',
              Parameters: { FunctionName: functionArn, 'Payload.$': '$' },
              ResultSelector: {
                'done.$': '$.Payload.done',
                'left.$': '$.Payload.left',
                'sound.$': '$.Payload.sound',
                'damaged.$': '$.Payload.damaged',
                'unverified.$': '$.Payload.unverified',
              },
              Retry: retry,
              End: true,
            },
          },
        },
        ResultWriter: {
          Resource: 'arn:aws:states:::s3:putObject',
          Parameters: { Bucket: bucketName, 'Prefix.$': '$.planned.results' },
        },
        End: true,
      },
    },
  } as const;
}
