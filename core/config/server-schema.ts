/** The part of the configuration that says how to reach one Orthanc server, and where its secrets lie. */
import * as z from 'zod';
import { defaultServerLimits } from '../stores/orthanc/bounds.ts';
import { defaultMaxConnections, defaultTimeouts } from '../stores/orthanc/connection.ts';

const secretsManagerName = z
  .string()
  .regex(/^(?:arn:[a-z-]+:secretsmanager:[a-z0-9-]+:\d{12}:secret:)?[\w/+=.@-]{1,512}$/, {
    error: 'is neither the name nor the ARN of a secret in AWS Secrets Manager',
  })
  .describe('Name or ARN of a secret in AWS Secrets Manager. The ARN is needed when the secret is of another account.');

/** A secret in AWS Secrets Manager, the only place that functions in the cloud can read. */
export const inSecretsManagerSchema = z.strictObject({
  secretsManager: secretsManagerName,
  key: z.string().min(1).optional().describe('The secret is a JSON object: use this one of its fields.'),
  kmsKey: z
    .string()
    .regex(/^arn:[a-z-]+:kms:[a-z0-9-]+:\d{12}:key\/[\w-]+$/, { error: 'is not the ARN of a KMS key' })
    .optional()
    .describe(
      'ARN of the customer managed KMS key that encrypts the secret, if one does; the cloud stack grants its use.',
    ),
});

const inFile = z.strictObject({
  file: z
    .string()
    .min(1)
    .describe('Path of a file with the value; white space at its end is ignored. Not in the cloud.'),
});

const inEnvironment = z.strictObject({
  env: z
    .string()
    .regex(/^[A-Za-z_]\w*$/, { error: 'is not the name of an environment variable' })
    .describe('Name of an environment variable with the value. Not in the cloud.'),
});

/** Where a secret lies. The secret itself never stands in the configuration. */
export const secretRefSchema = z
  .union([inSecretsManagerSchema, inFile, inEnvironment], {
    error:
      'must say where the secret lies: {"secretsManager": "name"}, {"file": "path"} or {"env": "NAME"}; the secret itself never stands in the configuration',
  })
  .meta({ id: 'Secret', description: 'Where a secret lies.' });
export type SecretRef = z.output<typeof secretRefSchema>;

const pemSchema = z
  .union(
    [
      z.strictObject({ pem: z.string().startsWith('-----BEGIN ').describe('The certificate itself, in PEM.') }),
      inFile,
      inSecretsManagerSchema,
    ],
    {
      error:
        'must say where the certificate lies: {"file": "path"}, {"secretsManager": "name"} or {"pem": "-----BEGIN CERTIFICATE…"}',
    },
  )
  .meta({ id: 'Certificate', description: 'Where a certificate lies, which is no secret.' });
/** Where a certificate lies, which is no secret and may therefore stand in the configuration. */
export type PemRef = z.output<typeof pemSchema>;

const authSchema = z
  .union(
    [
      z.strictObject({
        basic: z
          .strictObject({
            username: z
              .union([z.string().min(1), secretRefSchema])
              .describe('User of the server, or where its name lies.'),
            password: secretRefSchema.describe('Where the password lies.'),
          })
          .describe('HTTP basic authentication.'),
      }),
      z.strictObject({
        bearer: secretRefSchema.describe('Where the token lies that is sent as `Authorization: Bearer …`.'),
      }),
      z.strictObject({
        headers: z
          .record(
            z.string().regex(/^[\w!#$%&'*+.^`|~-]+$/, { error: 'is not the name of an HTTP header' }),
            z.union([z.string(), secretRefSchema]),
          )
          .describe('Headers sent with every request; a value is a text, or where the secret lies.'),
      }),
    ],
    { error: 'must be {"basic": …}, {"bearer": …} or {"headers": …}' },
  )
  .describe('How the server recognises us. Absent: no authentication.');
export type ServerAuth = z.output<typeof authSchema>;

const tlsSchema = z
  .strictObject({
    ca: pemSchema
      .optional()
      .describe('Certificate authority that signed the certificate of the server, where it is a private one.'),
    clientCertificate: z
      .strictObject({
        certificate: pemSchema.describe('The certificate (chain) that we present.'),
        privateKey: secretRefSchema.describe('Where its private key lies, in PEM.'),
        passphrase: secretRefSchema.optional().describe('Where the pass phrase of the private key lies.'),
      })
      .optional()
      .describe('Certificate by which the server recognises us (mutual TLS).'),
  })
  .describe('TLS beyond the usual: certificates are always verified.');

const limitsSchema = z
  .strictObject({
    answerSeconds: z
      .int()
      .min(1)
      .max(3600)
      .default(defaultTimeouts.longMs / 1000)
      .describe('Longest that the server may take to answer; a question about a single resource a minute at most.'),
    bytesPerSecond: z
      .int()
      .min(1)
      .max(1_000_000)
      .default(defaultServerLimits.leastBytesPerSecond)
      .describe('Least that each connection must pass on average over a minute; slower ones are given up.'),
    instances: z
      .int()
      .min(1)
      .max(1_000_000_000)
      .default(defaultServerLimits.mostInstances)
      .describe('Most instances that the server may list, so that a listing without end is noticed.'),
  })
  .describe('What the server may cost: how long it may take, and how much it may send.');

const serverUrlSchema = z
  .string()
  .superRefine((text, context) => {
    const problem = problemOfServerUrl(text);
    if (problem !== undefined) {
      context.addIssue({ code: 'custom', message: problem });
    }
  })
  .describe(
    'Address of the REST API of an Orthanc server, such as `https://orthanc.example.org/` (a path before the API is allowed).',
  );

/** @returns why `text` cannot be the address of a server in the configuration, or `undefined`; never repeats the text. */
function problemOfServerUrl(text: string): string | undefined {
  const url = URL.parse(text);
  if (url === null || !['http:', 'https:'].includes(url.protocol)) {
    return 'is not a URL that begins with https:// or http://';
  }
  if (url.username !== '' || url.password !== '') {
    return 'holds a user name or password: remove them here, and say under "auth" where they lie';
  }
  if (url.search !== '' || url.hash !== '') {
    return 'holds a query or a fragment (? or #): remove it';
  }
  return undefined;
}

/** One Orthanc server. */
export const serverSchema = z
  .strictObject({
    url: serverUrlSchema,
    auth: authSchema.optional(),
    tls: tlsSchema.optional(),
    maxConnections: z
      .int()
      .min(1)
      .max(256)
      .default(defaultMaxConnections)
      .describe(
        'Most connections at once to this server, of all that works for this mirror; in the cloud the functions share it. ' +
          'Each holds one of its `HttpThreadsCount` (50 unless configured), which users need too.',
      ),
    limits: limitsSchema.optional(),
  })
  .meta({ id: 'Server', description: 'An Orthanc server.' });
export type ServerConfiguration = z.output<typeof serverSchema>;
