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
  WriteArchive: 'Adds instances, documents, attachments and the pause flag. Every version of an object is kept.',
  WriteState: 'Keeps the cursor, the lease and the progress of a mirror, and begins its archive.',
  WriteReports: 'Keeps its progress and writes its reports.',
  SendMessages: 'Puts ids on the queue.',
  ConsumeMessages: 'Receives ids from the queue, postpones and acknowledges them.',
  PutAside: 'Puts what cannot be copied into the dead-letter queue, with the reason.',
  MeasureQueues: 'Asks how full the queues are.',
  ReadSecrets: 'Reads the credentials of the configured servers.',
  ReadWebhookSecrets: 'Reads the secret by which it knows the hooks.',
  DecryptSecrets: 'Decrypts those secrets that a customer managed key encrypts.',
  InvokeFunctions: 'Invokes the scheduled functions.',
  AttachNetwork: 'Lets the Lambda service put the function into the configured subnets.',
  DescribeNetwork:
    'Lets the Lambda service look for the network interface; EC2 offers no narrower resource for this action.',
  KeepNetworkFromCode:
    'Takes the two permissions above away from the code of the functions; the Lambda service keeps them.',
} as const satisfies Record<string, string>;

/** Name of a statement in a policy of a role. */
export type PermissionName = keyof typeof permissionReasons;
