/**
 * Why each permission is granted, by the name of its statement in the template. Nothing can be granted without a reason,
 * and `docs/permissions.md` is written from the template and these.
 */
export const permissionReasons = {
  WriteLog: 'Writes its own log, which also carries its metrics.',
  ReportFailure: 'Leaves the event of an invocation that failed, so that it can be looked at.',
  ListArchive:
    'Lists archives: the listing of the keys is their inventory. Without it, S3 answers 403 for what is not there.',
  ReadArchive: 'Reads archives and their state.',
  DecryptArchive: 'Reads what the key of the stack encrypts.',
  EncryptArchive: 'Writes what the key of the stack encrypts; S3 also decrypts the parts of a large upload with it.',
  WriteArchive:
    'Adds instances, records of their history, documents, attachments and the pause flag. Every version of an object is kept.',
  WriteState:
    'Keeps the cursor, the lease and the progress of a mirror, begins its archive, records what the source lost, and who succeeds it.',
  WriteReports: 'Keeps its progress and writes its reports.',
  LockStateBriefly:
    'Locks documents of state, which it replaces every few minutes, for a day instead of the term of the archive. Nothing that is locked can be unlocked by it.',
  ListInbox:
    'Asks whether an object is still in the inbox (without it, S3 answers 403 for what is not there), and looks for what S3 did not tell of.',
  ReadInbox: 'Reads what arrived in the inbox.',
  FileInbox: 'Copies what it took in or refused to done/ or refused/, and writes the reason beside it.',
  ClearInbox: 'Removes from new/ what it copied there; nothing can be removed anywhere else.',
  EncryptMessages:
    'Lets SQS encrypt and decrypt messages for the function, and nothing else, with the key of the stack.',
  SendMessages: 'Puts ids on the queues.',
  ConsumeMessages: 'Receives ids from the queues, postpones and acknowledges them.',
  WriteDeadLetters: 'Puts what cannot be copied into the dead-letter queue, with the reason.',
  MeasureQueues: 'Asks how full the queues are.',
  ReadSecrets: 'Reads the credentials of the configured servers.',
  ReadWebhookSecrets: 'Reads the secret by which it knows the hooks.',
  DecryptSecrets: 'Decrypts those secrets that a customer managed key encrypts.',
  InvokeFunctions: 'Invokes the functions of the schedules, or that of the state machine.',
  ReadShards: 'Reads the list of shards.',
  WriteShardResults: 'Writes what became of each shard.',
  StartShards: 'Lets the state machine start an execution of itself for each shard: how a Distributed Map works.',
  FollowShards: 'Follows, stops and redrives those executions.',
  AttachNetwork: 'Lets the Lambda service put the function into the configured subnets.',
  DescribeNetwork:
    'Lets the Lambda service look for the network interface; EC2 offers no narrower resource for these actions.',
  KeepNetworkFromCode:
    'Takes the two permissions above away from the code of the functions; the Lambda service keeps them.',
} as const satisfies Record<string, string>;

/** Name of a statement in a policy of a role. */
export type PermissionName = keyof typeof permissionReasons;

interface ResourcePolicyReason {
  readonly kind: 'bucket' | 'queue' | 'topic' | 'key' | 'endpoint' | 'function';
  readonly effect: 'Allow' | 'Deny';
  /** Whom the statement is about, as a pattern. */
  readonly who: RegExp;
  /** The name of the statement, where two of one kind are about the same. */
  readonly sid?: string;
  readonly why: string;
}

const resourcePolicyReasons: readonly ResourcePolicyReason[] = [
  {
    kind: 'bucket',
    effect: 'Deny',
    who: /^\*$/,
    sid: 'NothingIsOverwritten',
    why: 'Nothing that is written once is overwritten, whoever asks: only where there is nothing may something be written. The role of `cloud.repairRole` may put right bytes in the place of damaged ones.',
  },
  { kind: 'bucket', effect: 'Deny', who: /^\*$/, why: 'Nothing reaches the bucket without TLS 1.2 or later.' },
  { kind: 'bucket', effect: 'Allow', who: /^logging\.s3/, why: 'S3 delivers the access logs of the archive bucket.' },
  { kind: 'queue', effect: 'Deny', who: /^\*$/, why: 'Nothing reaches the queue without TLS.' },
  { kind: 'queue', effect: 'Allow', who: /^s3/, why: 'S3 tells of what arrived in the inbox.' },
  { kind: 'queue', effect: 'Allow', who: /^sns/, why: 'Alarms that no mail box takes are kept here.' },
  { kind: 'topic', effect: 'Deny', who: /^\*$/, why: 'Nothing reaches the topic without TLS.' },
  { kind: 'topic', effect: 'Allow', who: /^cloudwatch/, why: 'Alarms are told.' },
  {
    kind: 'key',
    effect: 'Allow',
    who: /:root$/,
    why: 'The account manages its key: without this, nobody could. It lets IAM decide, and grants nobody anything itself.',
  },
  { kind: 'key', effect: 'Allow', who: /^logs/, why: 'CloudWatch Logs encrypts the log groups of this account.' },
  { kind: 'key', effect: 'Allow', who: /^cloudwatch/, why: 'Alarms of this account are told on the encrypted topic.' },
  { kind: 'key', effect: 'Allow', who: /^s3/, why: 'S3 tells of what arrived in the inbox, on encrypted queues.' },
  { kind: 'key', effect: 'Allow', who: /^sns/, why: 'Alarms that no mail box takes are kept on an encrypted queue.' },
  {
    kind: 'endpoint',
    effect: 'Allow',
    who: /^\*$/,
    why: 'Only the functions get through the endpoint, and to nothing but what they use.',
  },
  {
    kind: 'function',
    effect: 'Allow',
    who: /^\*$/,
    why: 'Hooks cannot sign requests for IAM: the webhook knows them by a secret, and refuses all others.',
  },
];

/** Why the policy of a resource says something about somebody. Throws if there is no reason. */
export function reasonOfResourcePolicy(kind: string, effect: string, who: string, sid?: string): string {
  const fitting = resourcePolicyReasons.filter(
    (reason) => reason.kind === kind && reason.effect === effect && reason.who.test(who),
  );
  const found =
    fitting.find((reason) => reason.sid !== undefined && reason.sid === sid) ??
    fitting.find((reason) => reason.sid === undefined);
  if (found === undefined) {
    throw new Error(`There is no reason why the policy of a ${kind} has ${effect} for ${who}; add one.`);
  }
  return found.why;
}
