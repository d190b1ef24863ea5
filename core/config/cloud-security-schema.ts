/** The parts of the cloud configuration that decide about access, encryption, retention and who is told. */
import * as z from 'zod';
import { inSecretsManagerSchema } from './server-schema.ts';

const kmsKeyArnSchema = z
  .string()
  .regex(/^arn:[a-z-]+:kms:[a-z0-9-]+:\d{12}:key\/(?:mrk-[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/, {
    error: 'is not the ARN of a KMS key',
  });

export const webhookSchema = z
  .strictObject({
    authentication: z
      .enum(['secret', 'iam'])
      .default('secret')
      .describe(
        '`secret`: callers send the secret in a header, as the hooks do. `iam`: AWS itself lets only those through who sign their requests and have `lambda:InvokeFunctionUrl` and `lambda:InvokeFunction`; for a relay of yours in AWS, because a hook in Orthanc cannot sign.',
      ),
    secret: inSecretsManagerSchema
      .optional()
      .describe(
        'Where the secret lies that the hooks send; at least 32 characters. Required with `"authentication": "secret"`.',
      ),
    previousSecret: inSecretsManagerSchema
      .optional()
      .describe('Where the secret lies that is still accepted while the hooks get the new one.'),
    maxConcurrency: z
      .int()
      .min(1)
      .max(100)
      .default(5)
      .describe('Most requests that are worked on at once; others are told to come again.'),
  })
  .superRefine(({ authentication, secret, previousSecret }, context) => {
    if (authentication === 'secret' && secret === undefined) {
      context.addIssue({
        code: 'custom',
        path: ['secret'],
        message: 'is missing: name the secret that the hooks send',
      });
    }
    if (authentication === 'iam' && (secret ?? previousSecret) !== undefined) {
      context.addIssue({ code: 'custom', path: ['secret'], message: 'is of no use with "authentication": "iam"' });
    }
  })
  .describe(
    'The function URL to which the hooks announce. Absent: there is none, and the schedule alone finds what is new.',
  );

/** The secrets that the webhook accepts, the current one first; none where AWS knows the callers. */
export function webhookSecretsOf({ secret, previousSecret }: z.output<typeof webhookSchema>) {
  return [secret, previousSecret].filter((ref) => ref !== undefined);
}

export const inboxSchema = z
  .strictObject({
    memoryMiB: z.int().min(256).max(10_240).default(1024).describe('Memory of the function that takes files in.'),
    timeoutSeconds: z
      .int()
      .min(60)
      .max(900)
      .default(900)
      .describe('The function is ended after this time; an object that needs longer goes on where it was.'),
    maxConcurrency: z
      .int()
      .min(2)
      .max(1000)
      .default(5)
      .describe('Most objects that are taken in at once for each mirror.'),
    scratchMiB: z
      .int()
      .min(512)
      .max(10_240)
      .default(4096)
      .describe('Temporary space of the function; a zip or tar.gz larger than this is refused.'),
    keepDays: z
      .int()
      .min(1)
      .max(36_500)
      .default(30)
      .describe('Days after which an object is deleted that was taken in (`done/`) or refused (`refused/`).'),
  })
  .describe('The bucket in which DICOM files arrive that go to the targets and the archive. Absent: there is none.');

const oidcSchema = z
  .strictObject({
    issuer: z
      .url({ protocol: /^https$/, error: 'is no address that begins with https://' })
      .describe('Who signs the tokens, as they name it (`iss`): `https://cognito-idp.REGION.amazonaws.com/POOL`.'),
    audience: z
      .string()
      .min(1)
      .describe('For whom it signs them: `aud`, or `client_id` in the access tokens of Cognito, which have no `aud`.'),
    require: z
      .record(z.string().min(1), z.string().min(1))
      .default({})
      .describe(
        'Claims that a token must have besides, by their names: `{"cognito:groups": "radiology"}`. Empty: whoever the issuer knows may look.',
      ),
  })
  .describe(
    'Who gets through instead: callers with a token of this OpenID Connect issuer (`Authorization: Bearer`). AWS then lets every request reach the function, which checks signature, issuer, audience and time of each. Absent: who signs for IAM.',
  );

export const openSchema = z
  .strictObject({
    oidc: oidcSchema.optional(),
    memoryMiB: z.int().min(512).max(10_240).default(1024).describe('Memory of the function.'),
    timeoutSeconds: z.int().min(30).max(900).default(300).describe('An answer is ended after this time.'),
    maxConcurrency: z
      .int()
      .min(1)
      .max(1000)
      .default(10)
      .describe('Most requests that are answered at once; others are told to come again.'),
  })
  .describe(
    'The function URL that answers DICOMweb and REST from the archives, to whom AWS lets through (`lambda:InvokeFunctionUrl`), or to whom `oidc` names; it can only read. Absent: there is none.',
  );

export const alarmsSchema = z
  .strictObject({
    topic: z
      .string()
      .regex(/^arn:[a-z-]+:sns:[a-z0-9-]+:\d{12}:[\w-]+$/, { error: 'is not the ARN of an SNS topic' })
      .optional()
      .describe('ARN of the SNS topic that is told. Absent: the stack makes one.'),
    emails: z
      .array(z.email())
      .default([])
      .describe('Addresses that get the alarms from the topic of the stack; each confirms once.'),
    lagMinutes: z
      .int()
      .min(5)
      .max(10_080)
      .default(60)
      .describe('Alarm when an instance is still missing at a destination this long after the source got it.'),
  })
  .refine(({ topic, emails }) => topic === undefined || emails.length === 0, {
    error: 'has "topic" and "emails": subscribe the addresses to your topic, or remove "topic"',
  })
  .describe('Who is told when something is wrong.');

export const encryptionSchema = z
  .strictObject({
    kmsKey: kmsKeyArnSchema
      .optional()
      .describe(
        'ARN of your KMS key for archive, queues and logs; its policy must allow what docs/operate.md tells. Absent: the stack makes one.',
      ),
  })
  .describe('The customer managed key that encrypts archives, inbox, queues, logs and alarms.');

export const repairRoleSchema = z
  .string()
  .regex(/^arn:[a-z-]+:iam::\d{12}:role\/[\w+=,.@/-]+$/, { error: 'is not the ARN of a role' })
  .describe(
    'ARN of the role that may overwrite objects of the archive: the one with which you repair the archive, which puts right bytes in the place of damaged ones. Absent: nobody may.',
  );

export const objectLockSchema = z
  .strictObject({
    mode: z
      .enum(['governance', 'compliance'])
      .describe('`compliance`: nobody, not even the root of the account, deletes before the time is over.'),
    days: z.int().min(1).max(36_500).describe('Days for which every version of every object is kept.'),
  })
  .describe('Write-once protection of the archive bucket. Can only be chosen when the bucket is made.');

const daysSchema = z.int().min(0).max(36_500).optional();

/** Days after which S3 may move an object to Infrequent Access at the earliest, and how long it must stay there. */
const infrequentAccessDays = 30;

export const storageClassesSchema = z
  .strictObject({
    infrequentAccessAfterDays: daysSchema.describe('Days until Standard-Infrequent Access, at least 30.'),
    instantRetrievalAfterDays: daysSchema.describe('Days until Glacier Instant Retrieval.'),
    deepArchiveAfterDays: daysSchema.describe(
      'Days until Glacier Deep Archive, from which bytes come back within 12 to 48 hours only; such instances are not read back.',
    ),
  })
  .superRefine((classes, context) => {
    const { infrequentAccessAfterDays: infrequent, ...colder } = classes;
    if (infrequent !== undefined && infrequent < infrequentAccessDays) {
      context.addIssue({ code: 'custom', path: ['infrequentAccessAfterDays'], message: 'must be at least 30' });
    }
    const { instantRetrievalAfterDays: instant, deepArchiveAfterDays: deep } = colder;
    const earliestAfterInfrequent = (infrequent ?? -infrequentAccessDays) + infrequentAccessDays;
    if ((instant ?? earliestAfterInfrequent) < earliestAfterInfrequent) {
      const message = 'must be at least 30 days after "infrequentAccessAfterDays"';
      context.addIssue({ code: 'custom', path: ['instantRetrievalAfterDays'], message });
    }
    if (deep !== undefined && deep < Math.max(earliestAfterInfrequent, (instant ?? -1) + 1)) {
      const message = 'must be later than the other classes, and 30 days after "infrequentAccessAfterDays"';
      context.addIssue({ code: 'custom', path: ['deepArchiveAfterDays'], message });
    }
  })
  .describe('When the instances and attachments of an archive move to cheaper storage. Absent: they stay in Standard.');

const cidrSchema = z.cidrv4({ error: 'is not an IPv4 network such as 10.1.2.0/24' });

const endpointSchema = z.strictObject({
  url: z
    .url({ protocol: /^https$/, error: 'is not an https:// address' })
    .describe('Its address, such as `https://vpce-….sqs.eu-central-1.vpce.amazonaws.com`.'),
  securityGroupId: z
    .string()
    .regex(/^sg-[0-9a-f]{8}(?:[0-9a-f]{9})?$/, { error: 'is not the id of a security group' })
    .describe('Its security group, which must let the functions in (port 443, output `FunctionsSecurityGroupId`).'),
});

export const vpcSchema = z
  .strictObject({
    vpcId: z
      .string()
      .regex(/^vpc-[0-9a-f]{8}(?:[0-9a-f]{9})?$/, { error: 'is not the id of a VPC' })
      .describe('The VPC.'),
    subnets: z
      .array(
        z.strictObject({
          subnetId: z
            .string()
            .regex(/^subnet-[0-9a-f]{8}(?:[0-9a-f]{9})?$/, { error: 'is not the id of a subnet' })
            .describe('A private subnet.'),
          availabilityZone: z
            .string()
            .regex(/^[a-z]{2}(?:-[a-z]+)+-\d[a-z]$/)
            .describe('Its availability zone.'),
          routeTableId: z
            .string()
            .regex(/^rtb-[0-9a-f]{8}(?:[0-9a-f]{9})?$/, { error: 'is not the id of a route table' })
            .optional()
            .describe('Its route table; needed for `"s3Endpoint": "own"` only.'),
        }),
      )
      .min(1)
      .describe('Where the functions get their addresses. They need no way to the internet.'),
    serverNetworks: z
      .array(cidrSchema)
      .min(1)
      .describe(
        'Networks of the configured servers: the functions may open connections to their ports there, and nowhere else.',
      ),
    s3PrefixList: z
      .string()
      .regex(/^pl-[0-9a-f]{8}(?:[0-9a-f]{9})?$/, { error: 'is not the id of a prefix list' })
      .describe('Id of the prefix list `com.amazonaws.<region>.s3` of your region.'),
    s3Endpoint: z
      .enum(['existing', 'own'])
      .default('existing')
      .describe(
        '`existing`: the subnets reach S3 already, and the stack changes nothing about that. `own`: the stack puts a gateway endpoint into their route tables that lets its functions reach its buckets and nobody anything else; only for route tables of which nobody else makes use.',
      ),
    endpoints: z
      .strictObject({
        sqs: endpointSchema.optional().describe('The one of Amazon SQS.'),
        secretsManager: endpointSchema.optional().describe('The one of AWS Secrets Manager.'),
      })
      .default({})
      .describe(
        'Interface endpoints that the VPC has already. For what is absent the stack makes one, without a private name, which would take the service away from everybody else in the VPC.',
      ),
  })
  .superRefine(({ s3Endpoint, subnets }, context) => {
    for (const [index, { routeTableId }] of subnets.entries()) {
      if (s3Endpoint === 'existing' || routeTableId !== undefined) continue;
      const path = ['subnets', index, 'routeTableId'];
      context.addIssue({ code: 'custom', path, message: 'is missing: the endpoint of S3 needs it' });
    }
  })
  .describe('The VPC in which the functions run. Absent: they run outside of any, and reach public addresses only.');
